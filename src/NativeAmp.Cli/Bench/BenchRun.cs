namespace NativeAmp.Cli.Bench;

/// <summary>Measures every kernel of a step in every type.</summary>
internal static class BenchRun
{
    /// <summary>All rows.</summary>
    /// <param name="device">Where.</param>
    /// <param name="parameters">How many parameters.</param>
    /// <param name="budget">Seconds for all, about.</param>
    /// <param name="announce">Told what comes next.</param>
    public static BenchRow[] Measure(Device device, long parameters, double budget, Action<string> announce)
    {
        List<BenchRow> rows = [];
        double each = budget / StepShape.Types.Sum(dtype => StepKernel.All.Count(kernel => kernel.Takes(dtype)));
        using var timer = new InterleavedTimer(device);
        foreach (DType dtype in StepShape.Types)
        {
            using var tensors = new RotatedTensors(device, new StepShape(dtype, parameters));
            foreach (StepKernel kernel in StepKernel.All.Where(kernel => kernel.Takes(dtype)))
            {
                announce($"{kernel.Name}, {dtype.Name()}");
                rows.Add(Measure(timer, kernel, tensors, each));
            }
        }
        return [.. rows];
    }

    /// <summary>
    /// A kernel in turns with its limit; on a GPU then in turns with a copy of as many bytes as well.
    /// </summary>
    /// <param name="timer">Of the tensors' device.</param>
    /// <param name="kernel">What runs.</param>
    /// <param name="tensors">Over what.</param>
    /// <param name="budget">Seconds, about.</param>
    public static BenchRow Measure(InterleavedTimer timer, StepKernel kernel, RotatedTensors tensors, double budget)
    {
        StepTensors[] copies = tensors.For(kernel);
        if (tensors.Device.IsHostMemory)
            return BenchRow.Of(kernel, tensors.Shape, timer.Measure(Run, RunLimit, budget), copy: null);
        using var copy = new DeviceCopy(tensors.Device, kernel.Bytes(tensors.Shape), copies.Length);
        return BenchRow.Of(
            kernel,
            tensors.Shape,
            timer.Measure(Run, RunLimit, budget / 2),
            timer.Measure(Run, copy.Run, budget / 2)
        );

        void Run(int call) => kernel.Run(copies[call % copies.Length]);

        void RunLimit(int call) => kernel.RunLimit(copies[call % copies.Length]);
    }
}
