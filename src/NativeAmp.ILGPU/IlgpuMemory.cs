using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;

namespace NativeAmp.ILGPU;

/// <summary>
/// ILGPU's buffers, views and streams in NativeAmp, and NativeAmp's memory as ILGPU's views: no copies.
/// </summary>
/// <remarks>
/// Elements are <see cref="float"/>, <c>ILGPU.Half</c> or <see cref="System.Half"/>, <see cref="BFloat16"/>,
/// <see cref="int"/> (labels) or <see cref="byte"/>. Accelerators are those of the CPU and of CUDA; others are refused
/// with a <see cref="NotSupportedException"/>. ILGPU makes a CUDA context of its own for each CUDA accelerator: the
/// device of <see cref="OpenDevice"/> works in that context, and in no other.
/// </remarks>
public static class IlgpuMemory
{
    // A view that ILGPU's kernels still use keeps NativeAmp's buffer behind it.
    private static readonly ConditionalWeakTable<MemoryBuffer, DeviceBuffer> s_owners = [];

    /// <summary>Opens NativeAmp's device for an accelerator's memory. The caller disposes it.</summary>
    /// <param name="accelerator">An accelerator of the CPU, or of CUDA: dispose that after the device.</param>
    /// <param name="threads">Threads of the CPU; 0 for as many as <see cref="Device.Threads"/> says.</param>
    /// <exception cref="NotSupportedException">The accelerator is of another kind.</exception>
    /// <exception cref="NativeAmpUnavailableException">NativeAmp cannot open the GPU; the message says why.</exception>
    public static Device OpenDevice(this Accelerator accelerator, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        EnsureKnown(accelerator.AcceleratorType);
        return accelerator.AcceleratorType == AcceleratorType.Cuda
            ? Device.InCudaContext(accelerator.NativePtr)
            : Device.Cpu(threads);
    }

    /// <summary>
    /// A view as a cell: for a column of a <see cref="TensorTable"/>, a <see cref="MemoryParameter"/> or a call of
    /// <see cref="AmpKernels"/>. The view's buffer must be alive as long as the cell is in use.
    /// </summary>
    /// <param name="view">The view; an empty one is a cell without a pointer.</param>
    /// <param name="device">The device that will work on it.</param>
    /// <param name="count">How many elements it must have; null for any number.</param>
    /// <exception cref="ArgumentException">It has another number of elements, NativeAmp has no such type, or the device
    /// cannot reach it.</exception>
    /// <exception cref="NotSupportedException">The view is of another accelerator than the device's.</exception>
    /// <exception cref="ObjectDisposedException">The view's buffer or the device was disposed.</exception>
    public static TensorCell ToCell<T>(this ArrayView<T> view, Device device, long? count = null)
        where T : unmanaged
    {
        EnsureOpen(device);
        DType dtype = IlgpuTypes.Of<T>();
        if (count is { } expected && view.Length != expected)
            throw new ArgumentException($"The view has {view.Length} elements; {expected} are expected.", nameof(view));
        if (!view.IsValid)
            return new TensorCell(0, dtype);
        MemoryBuffer buffer = BufferOf(view);
        ObjectDisposedException.ThrowIf(buffer.IsDisposed, buffer);
        EnsureShares(device, buffer.Accelerator);
        return new TensorCell(view.LoadEffectiveAddressAsPtr(), dtype);
    }

    /// <summary>As <see cref="ToCell{T}(ArrayView{T}, Device, long?)"/>, of a dense one-dimensional view.</summary>
    /// <param name="view">The view; an empty one is a cell without a pointer.</param>
    /// <param name="device">The device that will work on it.</param>
    /// <param name="count">How many elements it must have; null for any number.</param>
    public static TensorCell ToCell<T>(this ArrayView1D<T, Stride1D.Dense> view, Device device, long? count = null)
        where T : unmanaged => view.AsContiguous().ToCell(device, count);

    /// <summary>As <see cref="ToCell{T}(ArrayView{T}, Device, long?)"/>, of a whole buffer.</summary>
    /// <param name="buffer">The buffer.</param>
    /// <param name="device">The device that will work on it.</param>
    /// <param name="count">How many elements it must have; null for any number.</param>
    public static TensorCell ToCell<T>(this MemoryBuffer1D<T, Stride1D.Dense> buffer, Device device, long? count = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(buffer);
        // A disposed buffer has an empty view.
        ObjectDisposedException.ThrowIf(buffer.IsDisposed, buffer);
        return buffer.AsContiguous().ToCell(device, count);
    }

    /// <summary>
    /// The stream of NativeAmp on which work follows an ILGPU stream's: with <see cref="Device.Use"/> all work of
    /// NativeAmp takes its turn there. On the CPU both work synchronously, so that it is the device's own.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="stream">A stream of the device's accelerator. It stays ILGPU's.</param>
    /// <exception cref="NotSupportedException">The stream is of another accelerator than the device's.</exception>
    public static DeviceStream BorrowStream(this Device device, AcceleratorStream stream)
    {
        EnsureOpen(device);
        ArgumentNullException.ThrowIfNull(stream);
        EnsureShares(device, stream.Accelerator);
        return stream is CudaStream cuda ? device.BorrowStream(cuda.StreamPtr) : device.Stream;
    }

    /// <summary>
    /// NativeAmp's stream as ILGPU's, for its copies and kernels. Disposing that does nothing to NativeAmp's.
    /// </summary>
    /// <param name="stream">A GPU's stream.</param>
    /// <param name="accelerator">The accelerator that will use it: the device's.</param>
    /// <exception cref="NotSupportedException">The stream's device works in another context.</exception>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    public static CudaStream ToCudaStream(this DeviceStream stream, CudaAccelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(accelerator);
        EnsureShares(stream.Device, accelerator);
        return accelerator.CreateStream(stream.Handle, false);
    }

    /// <summary>
    /// NativeAmp's memory as a view for ILGPU's kernels and copies. The buffer owns it: when that is disposed, nobody
    /// may use the view any more.
    /// </summary>
    /// <typeparam name="T">The .NET type of the elements; for float16 also <c>ILGPU.Half</c>.</typeparam>
    /// <param name="buffer">NativeAmp's memory.</param>
    /// <param name="accelerator">The accelerator that will use the view.</param>
    /// <exception cref="ArgumentException">The elements are of another type.</exception>
    /// <exception cref="NotSupportedException">The memory is another device's than the accelerator's.</exception>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public static ArrayView<T> AsArrayView<T>(this DeviceBuffer buffer, Accelerator accelerator)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(buffer);
        ArgumentNullException.ThrowIfNull(accelerator);
        EnsureOpen(buffer.Device);
        EnsureShares(buffer.Device, accelerator);
        if (IlgpuTypes.Of<T>() != buffer.DType)
            throw new ArgumentException($"The buffer holds {buffer.DType.Name()}, not {typeof(T)}.", nameof(buffer));
        nint pointer = buffer.Pointer;
        if (buffer.Count == 0)
            return ArrayView<T>.Empty;
        MemoryBuffer memory =
            accelerator is CudaAccelerator
                ? new CudaMemoryOfOthers(accelerator, pointer, buffer.Count, buffer.DType.SizeInBytes())
                : CPUMemoryBuffer.Create(accelerator, pointer, buffer.Count, buffer.DType.SizeInBytes());
        s_owners.Add(memory, buffer);
        return memory.AsArrayView<T>(0, buffer.Count);
    }

    private static MemoryBuffer BufferOf<TView>(TView view)
        where TView : IArrayView => view.Buffer;

    // Throws if the device was disposed.
    private static void EnsureOpen(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        _ = device.CurrentStream;
    }

    private static void EnsureShares(Device device, Accelerator accelerator)
    {
        EnsureKnown(accelerator.AcceleratorType);
        // The CPU has no context; and an accelerator of the CPU no pointer of CUDA.
        nint context = accelerator.AcceleratorType == AcceleratorType.Cuda ? accelerator.NativePtr : 0;
        if (device.CudaContext != context)
            throw new NotSupportedException(
                $"The device is {device.Info.Name}, which does not work where the accelerator {accelerator.Name} does: "
                    + "memory and streams of one are not valid for the other. Open the device by "
                    + "accelerator.OpenDevice()."
            );
    }

    internal static void EnsureKnown(AcceleratorType type)
    {
        if (type is not (AcceleratorType.CPU or AcceleratorType.Cuda))
            throw new NotSupportedException(
                $"This is an accelerator for {type}. NativeAmp shares memory with ILGPU's accelerators for the CPU and "
                    + "for CUDA alone."
            );
    }
}
