namespace NativeAmp.Training;

/// <content>Creation of tensors.</content>
public partial class Tensor
{
    /// <summary>A tensor with these elements, which are float, Half, BFloat16 or int.</summary>
    /// <exception cref="ArgumentException">The shape has another number of elements.</exception>
    public static Tensor From<T>(Device device, ReadOnlySpan<T> values, Shape shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        EnsureCount(shape, values.Length, nameof(values));
        Tensor tensor = Empty(device, DTypes.Of<T>(), shape);
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <summary>A tensor with these elements, which are float, Half, BFloat16 or int.</summary>
    /// <exception cref="ArgumentException">The shape has another number of elements.</exception>
    public static Tensor From<T>(Device device, T[] values, Shape shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        return From<T>(device, values.AsSpan(), shape);
    }

    /// <summary>A tensor with undefined elements.</summary>
    public static Tensor Empty(Device device, DType dtype, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new Tensor(device, shape, dtype, Storage.Allocate(device, dtype, shape.Count, MemoryKind.Other));
    }

    /// <summary>A tensor of zeros.</summary>
    public static unsafe Tensor Zeros(Device device, DType dtype, Shape shape)
    {
        Tensor tensor = Empty(device, dtype, shape);
        device.FillMemory((nint)tensor.Pointer, 0, tensor.Bytes);
        return tensor;
    }

    /// <summary>The output of an operator, owned by the innermost scope, if there is one.</summary>
    internal static Tensor Result(Device device, DType dtype, Shape shape) =>
        Result(device, dtype, shape, Allocate(device, dtype, shape.Count));

    /// <summary>Memory of activations: what nobody uses any more is given back first if there is none left.</summary>
    internal static Storage Allocate(Device device, DType dtype, long count) =>
        MemoryPressure.Of(device).Allocate(dtype, count, MemoryKind.Activations);

    /// <summary>The output of an operator over existing memory. It takes over one reference.</summary>
    internal static Tensor Result(Device device, DType dtype, Shape shape, Storage storage)
    {
        var tensor = new Tensor(device, shape, dtype, storage);
        TensorScope.Adopt(tensor);
        return tensor;
    }
}
