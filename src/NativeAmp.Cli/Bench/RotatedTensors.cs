namespace NativeAmp.Cli.Bench;

/// <summary>
/// Copies of a step's tensors that are used in turns, so that a GPU's kernel finds no data of its last call in the
/// cache. On the CPU there is one copy: there a small number of parameters measures the caches on purpose.
/// </summary>
internal sealed class RotatedTensors(Device device, StepShape shape) : IDisposable
{
    // No GPU has a larger cache yet.
    private const long LargestGpuCache = 256L << 20;
    private const int MostCopies = 8;

    private readonly List<StepTensors> _all = [];

    public Device Device => device;

    public StepShape Shape => shape;

    /// <summary>
    /// Number of copies that exceed a GPU's cache together, if a call touches this many bytes of each.
    /// </summary>
    public static int CopiesOf(long bytes) => (int)Math.Clamp(LargestGpuCache / bytes + 1, 1, MostCopies);

    /// <summary>
    /// The copies for a kernel, created if they are not there yet. Call i takes the copy at i modulo their number.
    /// </summary>
    public StepTensors[] For(StepKernel kernel)
    {
        int copies = device.IsHostMemory ? 1 : CopiesOf(kernel.Bytes(shape));
        while (_all.Count < copies)
            _all.Add(new StepTensors(device, shape));
        return [.. _all.Take(copies)];
    }

    public void Dispose()
    {
        foreach (StepTensors tensors in _all)
            tensors.Dispose();
    }
}
