namespace NativeAmp;

/// <summary>
/// One column of an optimizer's state for all its parameters, in one buffer: each parameter's elements in a type of its
/// own, then the scales of those in blocks.
/// </summary>
internal sealed class StateColumn : IDisposable
{
    // In floats: 256 bytes, the alignment that the allocator gives a tensor of its own.
    private const long Alignment = 64;
    private readonly Device _device;
    private readonly long[] _counts;
    private readonly DType[] _dtypes;

    // In floats, from the buffer's begin.
    private readonly long[] _values;
    private readonly long[] _scales;
    private readonly DeviceBuffer _buffer;

    /// <summary>A column of zeros.</summary>
    /// <param name="device">The device.</param>
    /// <param name="counts">Elements of each parameter.</param>
    /// <param name="dtypes">The type of each parameter's elements; none for a parameter without this column.</param>
    public StateColumn(Device device, long[] counts, DType[] dtypes)
    {
        _device = device;
        _counts = counts;
        _dtypes = dtypes;
        _values = new long[counts.Length];
        _scales = new long[counts.Length];
        long total = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            if (dtypes[i] == DType.None)
                continue;
            _values[i] = total;
            total = checked(total + Aligned((counts[i] * dtypes[i].SizeInBytes() + sizeof(float) - 1) / sizeof(float)));
            _scales[i] = total;
            if (dtypes[i].IsBlockCode())
                total = checked(total + Aligned(DTypes.Blocks(counts[i])));
        }
        _buffer = device.Allocate(DType.Float32, total, MemoryKind.OptimizerState);
        _buffer.Clear();
    }

    /// <summary>Bytes of the column.</summary>
    public long Bytes => _buffer.Bytes;

    /// <summary>A parameter's cell of the optimizer's table.</summary>
    public TensorCell Cell(int index) =>
        _counts[index] == 0 || _dtypes[index] == DType.None
            ? default
            : new TensorCell(At(_values[index]), _dtypes[index], _dtypes[index].IsBlockCode() ? At(_scales[index]) : 0);

    /// <summary>Copies a parameter's values to the host, decoded.</summary>
    public float[] Read(int index)
    {
        var values = new float[_counts[index]];
        if (_dtypes[index] == DType.Float32 || values.Length == 0)
        {
            _buffer.CopyTo(values.AsSpan(), _values[index]);
            return values;
        }
        using DeviceBuffer decoded = _device.Allocate(DType.Float32, values.Length);
        AmpKernels.Cast(_device, new TensorCell(decoded.Pointer, DType.Float32), Cell(index), values.Length);
        decoded.CopyTo(values.AsSpan());
        return values;
    }

    /// <summary>Sets a parameter's values, encoded.</summary>
    public void Write(int index, float[] values)
    {
        if (_dtypes[index] == DType.Float32 || values.Length == 0)
        {
            _buffer.CopyFrom<float>(values, _values[index]);
            return;
        }
        using DeviceBuffer decoded = _device.Allocate(DType.Float32, values.Length);
        decoded.CopyFrom<float>(values);
        AmpKernels.Cast(_device, Cell(index), new TensorCell(decoded.Pointer, DType.Float32), values.Length);
    }

    public void Dispose() => _buffer.Dispose();

    private nint At(long offset) => _buffer.Pointer + (nint)(offset * sizeof(float));

    private static long Aligned(long floats) => (floats + Alignment - 1) / Alignment * Alignment;
}
