namespace NativeAmp.Tests;

/// <summary>A parameter without a tensor: memory and a name.</summary>
internal sealed class TestParameter : IParameter, IDisposable
{
    private readonly DeviceBuffer _data;
    private DeviceBuffer? _gradient;
    private DeviceBuffer? _half;

    public TestParameter(Device device, string name, params float[] values)
    {
        Name = name;
        Device = device;
        _data = device.Allocate<float>(values, MemoryKind.Parameters);
    }

    public string Name { get; }

    public long Count => _data.Count;

    public ReadOnlySpan<long> Shape => new[] { ShapeOverride ?? Count };

    /// <summary>A number of elements that the parameter reports instead of its own.</summary>
    public long? ShapeOverride { get; init; }

    public Device Device { get; }

    public nint Data => _data.Pointer;

    public TensorCell Gradient => _gradient?.ToCell() ?? default;

    public TensorCell ComputeCopy => _half?.ToCell() ?? default;

    public float[] Values => _data.ToArray<float>();

    public float[] Gradients => _gradient!.ToArray<float>();

    public void WithComputeCopy(DType dtype)
    {
        _half?.Dispose();
        _half = Device.Allocate(dtype, Count, MemoryKind.ComputeCopies);
        _half.Clear();
    }

    public T[] Half<T>()
        where T : unmanaged => _half!.ToArray<T>();

    public void SetGradient<T>(params T[] values)
        where T : unmanaged
    {
        if (_gradient is null || _gradient.DType != DTypes.Of<T>())
        {
            _gradient?.Dispose();
            _gradient = Device.Allocate<T>(values, MemoryKind.Gradients);
        }
        _gradient.CopyFrom<T>(values);
    }

    public void ClearGradient()
    {
        _gradient?.Dispose();
        _gradient = null;
    }

    public void Dispose()
    {
        ClearGradient();
        _half?.Dispose();
        _data.Dispose();
    }
}
