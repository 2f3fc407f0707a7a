using System.Globalization;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The cost of FusedAdam.Step beyond its kernels, by number of tensors: in turns with the native call over the same
/// table, on one thread.
/// </summary>
internal static class OverheadReport
{
    private static readonly AdamOptions[] Groups = [new()];

    /// <summary>Measures and writes a table, a row for each number of tensors.</summary>
    public static void Write(int[] tensors, double secondsARow)
    {
        Console.WriteLine("medians in µs, one float16 element a tensor, one thread");
        Console.WriteLine(
            "tensors  FusedAdam.Step  native call  checks of arguments  beyond the native call  beyond the kernels  "
                + "native calls a step"
        );
        foreach (int count in tensors)
            Write(count, secondsARow);
    }

    private static void Write(int tensors, double seconds)
    {
        using Device device = Device.Cpu(1);
        using var timer = new InterleavedTimer(device);
        var random = new Random(1);
        BufferParameter[] parameters =
        [
            .. Enumerable
                .Range(0, tensors)
                .Select(i => new BufferParameter(device, $"tensor{i}", 1, DType.Float16, random)),
        ];
        using var optimizer = new FusedAdam(parameters, Groups[0]);
        using var state = new OptimizerState(device);
        using var overflow = OverflowOf(device);
        optimizer.Step();
        long calls = CallsOf(optimizer);

        Timing step = timer.Measure(_ => optimizer.Step(), _ => Native(optimizer.Memory, state), seconds);
        // If the state has an overflow, Adam checks its arguments and does nothing else.
        Timing arguments = timer.Measure(
            _ => Native(optimizer.Memory, overflow, check: false),
            _ => Native(optimizer.Memory, state),
            seconds / 4
        );

        double beyond = Median([.. step.Kernel.Zip(step.Limit, (ours, native) => ours - native)]);
        double checks = Median(arguments.Kernel);
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{tensors, 7}  {Median(step.Kernel), 14:0.00}  {Median(step.Limit), 11:0.00}  {checks, 19:0.00}  "
                    + $"{beyond, 22:0.00}  {beyond + checks, 18:0.00}  {calls, 19}"
            )
        );
        foreach (BufferParameter parameter in parameters)
            parameter.Dispose();
    }

    private static long CallsOf(FusedAdam optimizer)
    {
        NativeProfile.Start();
        optimizer.Step();
        NativeProfile.Stop();
        // The call that ends the profile is in it.
        return NativeProfile.Read().Where(entry => entry.Function != "namp_profile_stop").Sum(entry => entry.Calls);
    }

    /// <summary>The native call of a step, over the optimizer's own table.</summary>
    public static void Native(OptimizerMemory memory, OptimizerState state, bool check = true) =>
        AmpKernels.OptimizerStep(
            memory.Table,
            memory.Columns,
            Groups,
            memory.Steps,
            scaler: null,
            state,
            new OptimizerStepOptions { CheckGradients = check }
        );

    private static unsafe OptimizerState OverflowOf(Device device)
    {
        var state = new OptimizerState(device);
        state.Native->FoundInf = 1;
        return state;
    }

    private static double Median(double[] seconds) => Timing.Quantile(seconds, 0.5) * 1e6;
}
