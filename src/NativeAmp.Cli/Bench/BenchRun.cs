namespace NativeAmp.Cli.Bench;

/// <summary>Measures every kernel of a step in every type.</summary>
internal static class BenchRun
{
    // Caches larger than this are still to come: copies of the tensors are used in turns until they outgrow it.
    private const long LargestGpuCache = 256L << 20;
    private const int MostCopies = 8;

    private static readonly DType[] Types = [DType.Float16, DType.BFloat16, DType.Float32];

    /// <summary>All rows.</summary>
    /// <param name="device">Where.</param>
    /// <param name="parameters">How many parameters.</param>
    /// <param name="budget">Seconds for all, about.</param>
    /// <param name="announce">Told what comes next.</param>
    public static BenchRow[] Measure(Device device, long parameters, double budget, Action<string> announce)
    {
        List<BenchRow> rows = [];
        double each = budget / Types.Sum(dtype => StepKernel.All.Count(kernel => kernel.Takes(dtype)));
        using var timer = new InterleavedTimer(device);
        foreach (DType dtype in Types)
        {
            var shape = new StepShape(dtype, parameters);
            var tensors = new List<StepTensors>();
            try
            {
                foreach (StepKernel kernel in StepKernel.All.Where(kernel => kernel.Takes(dtype)))
                {
                    announce($"{kernel.Name}, {dtype.Name()}");
                    while (tensors.Count < Copies(device, kernel, tensors)) tensors.Add(new StepTensors(device, shape));
                    int copies = Copies(device, kernel, tensors);
                    Timing timing = timer.Measure(i => kernel.Run(tensors[i % copies]), i => kernel.RunLimit(tensors[i % copies]), each);
                    rows.Add(BenchRow.Of(kernel, tensors[0], timing));
                }
            }
            finally
            {
                foreach (StepTensors one in tensors) one.Dispose();
            }
        }
        return [.. rows];
    }

    // On the CPU a small number of parameters asks for what its caches give. A GPU's is measured by its memory.
    private static int Copies(Device device, StepKernel kernel, List<StepTensors> tensors) =>
        tensors.Count == 0 || device.IsHostMemory ? 1 : (int)Math.Clamp(LargestGpuCache / kernel.Bytes(tensors[0].Shape) + 1, 1, MostCopies);
}
