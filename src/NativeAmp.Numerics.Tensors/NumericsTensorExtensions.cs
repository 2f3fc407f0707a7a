using System.Numerics.Tensors;

namespace NativeAmp.Training;

/// <summary>
/// Tensors of System.Numerics.Tensors from and to tensors of a device. <c>T</c> is <see cref="float"/>,
/// <see cref="Half"/>, <see cref="BFloat16"/>, <see cref="int"/> or <see cref="byte"/>; a tensor of FP8 holds codes,
/// which are bytes.
/// </summary>
/// <remarks>A scalar of NativeAmp is [1] there, where a tensor without dimensions has no elements.</remarks>
public static class NumericsTensorExtensions
{
    /// <summary>A tensor of the same shape with a copy of the elements, row-major. The caller owns it.</summary>
    /// <param name="source">The elements, in any strides.</param>
    /// <param name="device">The device of the new tensor.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is no element type.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device cannot give that much.</exception>
    public static Tensor ToTensor<T>(this in ReadOnlyTensorSpan<T> source, Device device)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(device);
        Tensor tensor = Tensor.Empty(device, DTypes.Of<T>(), ShapeOf(source));
        try
        {
            tensor.CopyFrom(source);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="ToTensor{T}(in ReadOnlyTensorSpan{T}, Device)"/>
    public static Tensor ToTensor<T>(this in TensorSpan<T> source, Device device)
        where T : unmanaged => ToTensor((ReadOnlyTensorSpan<T>)source, device);

    /// <inheritdoc cref="ToTensor{T}(in ReadOnlyTensorSpan{T}, Device)"/>
    public static Tensor ToTensor<T>(this Tensor<T> source, Device device)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        return ToTensor(source.AsReadOnlyTensorSpan(), device);
    }

    /// <summary>A new tensor of System.Numerics.Tensors with a copy of the elements. Waits for the device.</summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of the elements.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static Tensor<T> ToNumericsTensor<T>(this Tensor tensor)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return System.Numerics.Tensors.Tensor.Create(tensor.ToArray<T>(), LengthsOf(tensor.Shape));
    }

    /// <summary>
    /// The elements of a tensor in host memory, to read and write in place. Valid while the tensor is alive; see
    /// <see cref="Tensor.AsSpan{T}"/>.
    /// </summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of the elements.</exception>
    /// <exception cref="InvalidOperationException">The tensor is on a GPU, is an operator's output that gradients flow
    /// through, or has more elements than a span can.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static TensorSpan<T> AsTensorSpan<T>(this Tensor tensor)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return new TensorSpan<T>(tensor.AsSpan<T>(), LengthsOf(tensor.Shape));
    }

    /// <summary>
    /// The elements of a tensor in host memory, to read in place. Valid while the tensor is alive.
    /// </summary>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of the elements.</exception>
    /// <exception cref="InvalidOperationException">The tensor is on a GPU, or has more elements than a span
    /// can.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static ReadOnlyTensorSpan<T> AsReadOnlyTensorSpan<T>(this Tensor tensor)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return new ReadOnlyTensorSpan<T>(tensor.AsReadOnlySpan<T>(), LengthsOf(tensor.Shape));
    }

    /// <summary>Overwrites all elements of a tensor from one of the same shape, in any strides.</summary>
    /// <exception cref="ArgumentException">The shapes or the types of the elements differ.</exception>
    /// <exception cref="InvalidOperationException">The tensor is an operator's output that gradients flow
    /// through.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static void CopyFrom<T>(this Tensor tensor, in ReadOnlyTensorSpan<T> source)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        EnsureShape(tensor, source);
        if (tensor.Device.IsHostMemory)
        {
            source.FlattenTo(tensor.AsSpan<T>());
            return;
        }

        var elements = new T[source.FlattenedLength];
        source.FlattenTo(elements);
        tensor.CopyFrom<T>(elements);
    }

    /// <summary>Copies all elements of a tensor to one of the same shape, in any strides. Waits for the
    /// device.</summary>
    /// <exception cref="ArgumentException">The shapes or the types of the elements differ.</exception>
    /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
    public static void CopyTo<T>(this Tensor tensor, in TensorSpan<T> destination)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor);
        EnsureShape<T>(tensor, destination);
        if (tensor.Device.IsHostMemory)
            tensor.AsReadOnlyTensorSpan<T>().CopyTo(destination);
        else
            new ReadOnlyTensorSpan<T>(tensor.ToArray<T>(), LengthsOf(tensor.Shape)).CopyTo(destination);
    }

    private static void EnsureShape<T>(Tensor tensor, in ReadOnlyTensorSpan<T> other)
        where T : unmanaged
    {
        Shape shape = ShapeOf(other);
        if (shape != tensor.Shape && !(tensor.Shape.Rank == 0 && shape == [1]))
            throw new ArgumentException($"The tensor has the shape {tensor.Shape}, the other one {shape}.");
    }

    private static Shape ShapeOf<T>(in ReadOnlyTensorSpan<T> span)
    {
        if (span.Rank == 0)
            return [0];
        long[] lengths = new long[span.Rank];
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = span.Lengths[i];
        return new Shape(lengths);
    }

    private static nint[] LengthsOf(Shape shape)
    {
        if (shape.Rank == 0)
            return [1];
        var lengths = new nint[shape.Rank];
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = checked((nint)shape[i]);
        return lengths;
    }
}
