namespace NativeAmp.Cli.Bench;

/// <summary>
/// Copies of a step's tensors that are used in turns, so that a GPU's kernel finds nothing of its last call in the
/// cache. On the CPU there is one: there a small number of parameters asks for what the caches give.
/// </summary>
internal sealed class RotatedTensors(Device device, StepShape shape) : IDisposable
{
    // Caches larger than this are still to come.
    private const long LargestGpuCache = 256L << 20;
    private const int MostCopies = 8;

    private readonly List<StepTensors> _all = [];

    public Device Device => device;

    public StepShape Shape => shape;

    /// <summary>Copies that outgrow a GPU's cache together, where a call touches this many bytes of each.</summary>
    public static int CopiesOf(long bytes) => (int)Math.Clamp(LargestGpuCache / bytes + 1, 1, MostCopies);

    /// <summary>
    /// The copies for a kernel, made where they are not there yet; call i takes the one at i modulo their number.
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
