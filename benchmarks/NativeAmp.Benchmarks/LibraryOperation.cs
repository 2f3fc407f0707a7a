using NativeAmp.Cli.Bench;
using NativeAmp.Training;

namespace NativeAmp.Benchmarks;

/// <summary>An operation with two operands and a result, of these numbers of elements.</summary>
internal sealed record LibraryOperation(string Name, long First, long Second, long Result, LibraryOperation.Body Run)
{
    /// <summary>Runs it on a device, with the addresses of its operands and its result.</summary>
    public delegate void Body(Device device, nint first, nint second, nint result, DType type);

    /// <summary>Our time divided by oneDNN's, of each turn; on one thread the processor's time.</summary>
    public double[] Ratios(Device with, Device without, DType type, double seconds)
    {
        using Tensor first = Random(with, First, type);
        using Tensor second = Random(with, Second, type);
        using Tensor result = Random(with, Result, type);
        if (ThreadTurns.Fit(with))
            return ThreadTurns.Ratios(() => On(without), () => On(with), seconds);
        using var timer = new InterleavedTimer(with);
        return LibraryReport.Ratios(timer.Measure(_ => On(without), _ => On(with), seconds));

        void On(Device device) => Run(device, Address(first), Address(second), Address(result), type);
    }

    /// <summary>Runs it once, over zeros.</summary>
    /// <param name="device">The device.</param>
    /// <param name="type">Of operands and result.</param>
    /// <param name="before">Called after a first run, which may load and allocate.</param>
    public void Once(Device device, DType type, Action before)
    {
        using Tensor first = Tensor.Zeros(device, type, [First]);
        using Tensor second = Tensor.Zeros(device, type, [Second]);
        using Tensor result = Tensor.Zeros(device, type, [Result]);
        Run(device, Address(first), Address(second), Address(result), type);
        before();
        Run(device, Address(first), Address(second), Address(result), type);
    }

    private static unsafe nint Address(Tensor tensor) => (nint)tensor.Pointer;

    // A few random numbers again and again: making them all would take longer than what is measured.
    private static Tensor Random(Device device, long count, DType type)
    {
        float[] some = Initializers.Normal(1)([Math.Min(count, 4099)], new RandomGenerator(1));
        var values = new float[count];
        for (long i = 0; i < count; i++)
            values[i] = some[i % some.Length];
        Tensor floats = Tensor.From(device, values, [count]);
        if (type == DType.Float32)
            return floats;
        using (floats)
        using (NoGrad.Enter())
            return Ops.Cast(floats, type).Keep();
    }
}
