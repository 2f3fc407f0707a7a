namespace NativeAmp.Benchmarks;

/// <summary>
/// A parameter over plain device memory, as an application with its own tensors would give to the optimizer.
/// </summary>
internal sealed class BufferParameter : IParameter, IDisposable
{
    private readonly DeviceBuffer _data;
    private readonly DeviceBuffer _gradient;
    private readonly DeviceBuffer _computeCopy;

    public BufferParameter(Device device, string name, long count, DType half, Random random)
    {
        Device = device;
        Name = name;
        _data = new DeviceBuffer(device, DType.Float32, count, MemoryKind.Parameters);
        _gradient = new DeviceBuffer(device, half, count, MemoryKind.Gradients);
        _computeCopy = new DeviceBuffer(device, half, count, MemoryKind.ComputeCopies);
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
            values[i] = random.NextSingle() - 0.5f;
        _data.CopyFrom<float>(values);
        AmpKernels.Cast(device, _gradient.ToCell(), _data.ToCell(), count);
    }

    public string Name { get; }

    public long Count => _data.Count;

    public ReadOnlySpan<long> Shape => new[] { Count };

    public Device Device { get; }

    public nint Data => _data.Pointer;

    public TensorCell Gradient => _gradient.ToCell();

    public TensorCell ComputeCopy => _computeCopy.ToCell();

    // The same gradients every step: their values do not affect the time.
    public void ClearGradient() { }

    public void Dispose()
    {
        _data.Dispose();
        _gradient.Dispose();
        _computeCopy.Dispose();
    }
}
