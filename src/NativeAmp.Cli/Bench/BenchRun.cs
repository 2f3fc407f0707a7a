namespace NativeAmp.Cli.Bench;

/// <summary>Measures every kernel of a step in every type.</summary>
internal static class BenchRun
{
    // Beside float32 masters and moments.
    private static IEnumerable<StepShape> Layouts(long parameters) =>
        [
            new(DType.Float16, parameters, State: StateFormat.BFloat16),
            new(DType.Float16, parameters, State: StateFormat.Dynamic8),
            new(DType.BFloat16, parameters, Masters: MasterFormat.Remainder),
            new(DType.BFloat16, parameters, State: StateFormat.BFloat16, Masters: MasterFormat.Remainder),
            new(DType.BFloat16, parameters, Masters: MasterFormat.None),
            new(DType.BFloat16, parameters, State: StateFormat.BFloat16, Masters: MasterFormat.None),
        ];

    /// <summary>Measures all kernels, and Adam with compact state and masters.</summary>
    /// <param name="device">The device.</param>
    /// <param name="parameters">Number of parameters.</param>
    /// <param name="budget">Approximate seconds for all kernels.</param>
    /// <param name="announce">Called with the next kernel's name.</param>
    public static BenchRow[] Measure(Device device, long parameters, double budget, Action<string> announce)
    {
        List<BenchRow> rows = [];
        (StepShape Shape, StepKernel[] Kernels)[] all =
        [
            .. StepShape.Types.Select(dtype =>
                (new StepShape(dtype, parameters), StepKernel.All.Where(kernel => kernel.Takes(dtype)).ToArray())
            ),
            .. Layouts(parameters).Select(shape => (shape, new[] { StepKernel.Adam })),
        ];
        double each = budget / all.Sum(one => one.Kernels.Length);
        using var timer = new InterleavedTimer(device);
        foreach ((StepShape shape, StepKernel[] kernels) in all)
        {
            using var tensors = new RotatedTensors(device, shape);
            foreach (StepKernel kernel in kernels)
            {
                announce($"{kernel.Name}, {shape.DType.Name()}");
                rows.Add(Measure(timer, kernel, tensors, each));
            }
        }
        return [.. rows];
    }

    /// <summary>
    /// Measures a kernel in turns with its limit; on a GPU also in turns with a copy of the same number of bytes.
    /// </summary>
    /// <param name="timer">The timer of the tensors' device.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="tensors">The tensors that it works on.</param>
    /// <param name="budget">Approximate seconds.</param>
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
