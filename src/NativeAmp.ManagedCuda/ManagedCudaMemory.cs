using System.Runtime.CompilerServices;
using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace NativeAmp.ManagedCuda;

/// <summary>
/// ManagedCuda's contexts, variables and streams in NativeAmp, and NativeAmp's memory and streams as ManagedCuda's: no
/// copies.
/// </summary>
/// <remarks>
/// Elements are <see cref="float"/>, ManagedCuda's <c>half</c> and <c>bfloat16</c>, <see cref="Half"/>,
/// <see cref="BFloat16"/>, <see cref="int"/> (labels) or <see cref="byte"/>. Both libraries work in one context: that
/// of <see cref="OpenDevice"/>. Call its <c>SetCurrent</c> on each thread that uses ManagedCuda; NativeAmp needs no
/// current context and leaves it as it is. ManagedCuda's failures are its own <c>CudaException</c>.
/// </remarks>
public static class ManagedCudaMemory
{
    // A variable that somebody still holds keeps NativeAmp's buffer behind it.
    private static readonly ConditionalWeakTable<object, DeviceBuffer> s_owners = [];

    // The context that a device was opened in.
    private static readonly ConditionalWeakTable<Device, CudaContext> s_contexts = [];

    /// <summary>Opens NativeAmp's device for a context's GPU, in that context. The caller disposes it.</summary>
    /// <param name="context">A <c>CudaContext</c> or a <c>PrimaryContext</c>. Dispose it after the device.</param>
    /// <exception cref="NativeAmpUnavailableException">NativeAmp cannot open the GPU; the message says why.</exception>
    /// <exception cref="ArgumentException">The context was disposed.</exception>
    public static Device OpenDevice(this CudaContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Disposal<CudaContext>.Refuse(context, "context", nameof(context));
        var device = Device.InCudaContext(context.Context.Pointer);
        s_contexts.Add(device, context);
        return device;
    }

    /// <summary>
    /// A variable as a cell: for a column of a <see cref="TensorTable"/>, a <see cref="MemoryParameter"/> or a call of
    /// <see cref="AmpKernels"/>. The variable must not be disposed as long as the cell is in use.
    /// </summary>
    /// <param name="variable">The variable; one without elements is a cell without a pointer.</param>
    /// <param name="device">The device that will work on it.</param>
    /// <param name="count">How many elements it must have; null for any number.</param>
    /// <exception cref="ArgumentException">It has another number of elements, NativeAmp has no such type, it was
    /// disposed, or it is not the device's memory.</exception>
    /// <exception cref="NotSupportedException">It is memory of another context than the device's.</exception>
    public static TensorCell ToCell<T>(this CudaDeviceVariable<T> variable, Device device, long? count = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(variable);
        Disposal<CudaDeviceVariable<T>>.Refuse(variable, "variable", nameof(variable));
        using ContextScope scope = Enter(device);
        DType dtype = ManagedCudaTypes.Of<T>();
        long size = variable.Size;
        if (count is { } expected && size != expected)
            throw new ArgumentException(
                $"The variable has {size} elements; {expected} are expected.",
                nameof(variable)
            );
        if (size == 0)
            return new TensorCell(0, dtype);
        scope.Ensure(variable.DevicePointer);
        return new TensorCell((nint)(long)variable.DevicePointer.Pointer, dtype);
    }

    /// <summary>
    /// A stream of ManagedCuda to work on: with <see cref="Device.Use"/> all of NativeAmp's work takes its turn behind
    /// what is on it. The stream stays ManagedCuda's.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="stream">The stream.</param>
    /// <exception cref="ArgumentException">The device is the CPU, the stream was disposed, or the driver does not know
    /// it.</exception>
    /// <exception cref="NotSupportedException">It is of another context than the device's.</exception>
    public static DeviceStream BorrowStream(this Device device, CudaStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Disposal<CudaStream>.Refuse(stream, "stream", nameof(stream));
        return device.BorrowStream(stream.Stream);
    }

    /// <summary>
    /// As <see cref="BorrowStream(Device, CudaStream)"/>, by handle: the stream of a <c>CudaBlas</c>.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="stream">The stream; <c>CUstream.NullStream</c> for CUDA's default one.</param>
    public static DeviceStream BorrowStream(this Device device, CUstream stream)
    {
        using ContextScope scope = Enter(device);
        // The default streams are those of the context in which they are used.
        if (stream.Pointer is not (0 or 1 or 2))
            scope.Ensure(stream);
        return device.BorrowStream(stream.Pointer);
    }

    /// <summary>
    /// NativeAmp's stream as ManagedCuda's, for its copies and kernels and for <c>CudaBlas</c>
    /// (<c>blas.Stream = stream.ToCudaStream().Stream</c>). Disposing that does nothing.
    /// </summary>
    /// <exception cref="ArgumentException">It is the CPU's stream.</exception>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    public static CudaStream ToCudaStream(this DeviceStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.Device.IsHostMemory)
            throw new ArgumentException("The stream is the CPU's, which CUDA does not know.", nameof(stream));
        return new CudaStream(new CUstream { Pointer = stream.Handle });
    }

    /// <summary>
    /// NativeAmp's memory as a variable of ManagedCuda. The buffer owns it: disposing the variable frees nothing, and
    /// nobody may use the variable when the buffer is disposed.
    /// </summary>
    /// <typeparam name="T">The .NET type of the elements; for float16 also <c>half</c>, for bfloat16
    /// <c>bfloat16</c>.</typeparam>
    /// <exception cref="ArgumentException">The elements are of another type, or the memory is the CPU's.</exception>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public static CudaDeviceVariable<T> AsDeviceVariable<T>(this DeviceBuffer buffer)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (buffer.Device.IsHostMemory)
            throw new ArgumentException(
                "The buffer is memory of the CPU; a CudaDeviceVariable is a GPU's.",
                nameof(buffer)
            );
        if (ManagedCudaTypes.Of<T>() != buffer.DType)
            throw new ArgumentException($"The buffer holds {buffer.DType.Name()}, not {typeof(T)}.", nameof(buffer));
        var variable = new CudaDeviceVariable<T>(new CUdeviceptr(buffer.Pointer), false, buffer.Bytes);
        s_owners.Add(variable, buffer);
        return variable;
    }

    private static ContextScope Enter(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new ContextScope(device, s_contexts.TryGetValue(device, out CudaContext? context) ? context : null);
    }
}
