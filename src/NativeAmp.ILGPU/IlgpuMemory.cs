using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace NativeAmp.ILGPU;

/// <summary>
/// ILGPU's buffers, views and streams in NativeAmp, and NativeAmp's memory as ILGPU's views: no copies.
/// </summary>
/// <remarks>
/// Elements are <see cref="float"/>, <c>ILGPU.Half</c> or <see cref="System.Half"/>, <see cref="BFloat16"/>,
/// <see cref="int"/> (labels) or <see cref="byte"/>. Accelerators are those of the CPU: ILGPU 1.5 makes a CUDA context
/// of its own for each CUDA accelerator, whose memory and streams are not valid in the GPU's primary context, where
/// NativeAmp works. Other accelerators are refused with a <see cref="NotSupportedException"/>.
/// </remarks>
public static class IlgpuMemory
{
    // A view that ILGPU's kernels still use keeps NativeAmp's buffer behind it.
    private static readonly ConditionalWeakTable<MemoryBuffer, DeviceBuffer> s_owners = [];

    /// <summary>Opens NativeAmp's device for an accelerator's memory. The caller disposes it.</summary>
    /// <param name="accelerator">An accelerator of the CPU.</param>
    /// <param name="threads">NativeAmp's threads; 0 for as many as <see cref="Device.Threads"/> says.</param>
    /// <exception cref="NotSupportedException">The accelerator is none of the CPU.</exception>
    public static Device OpenDevice(this Accelerator accelerator, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        EnsureSharesMemory(accelerator.AcceleratorType);
        return Device.Cpu(threads);
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
    /// <exception cref="NotSupportedException">The view's accelerator is none of the CPU.</exception>
    /// <exception cref="ObjectDisposedException">The view's buffer or the device was disposed.</exception>
    public static TensorCell ToCell<T>(this ArrayView<T> view, Device device, long? count = null)
        where T : unmanaged
    {
        EnsureReaches(device);
        DType dtype = IlgpuTypes.Of<T>();
        if (count is { } expected && view.Length != expected)
            throw new ArgumentException($"The view has {view.Length} elements; {expected} are expected.", nameof(view));
        if (!view.IsValid)
            return new TensorCell(0, dtype);
        MemoryBuffer buffer = BufferOf(view);
        ObjectDisposedException.ThrowIf(buffer.IsDisposed, buffer);
        EnsureSharesMemory(buffer.AcceleratorType);
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
    /// The stream of NativeAmp on which work follows an ILGPU stream's. On the CPU both work synchronously, so that it
    /// is the device's own.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="stream">A stream of an accelerator of the CPU.</param>
    /// <exception cref="ArgumentException">The device is a GPU.</exception>
    /// <exception cref="NotSupportedException">The stream's accelerator is none of the CPU.</exception>
    public static DeviceStream BorrowStream(this Device device, AcceleratorStream stream)
    {
        EnsureReaches(device);
        ArgumentNullException.ThrowIfNull(stream);
        EnsureSharesMemory(stream.AcceleratorType);
        return device.Stream;
    }

    /// <summary>
    /// NativeAmp's memory as a view for ILGPU's kernels and copies. The buffer owns it: when that is disposed, nobody
    /// may use the view any more.
    /// </summary>
    /// <typeparam name="T">The .NET type of the elements; for float16 also <c>ILGPU.Half</c>.</typeparam>
    /// <param name="buffer">Memory of the CPU.</param>
    /// <param name="accelerator">The accelerator that will use the view.</param>
    /// <exception cref="ArgumentException">The elements are of another type, or the memory is a GPU's.</exception>
    /// <exception cref="NotSupportedException">The accelerator is none of the CPU.</exception>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public static ArrayView<T> AsArrayView<T>(this DeviceBuffer buffer, Accelerator accelerator)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(buffer);
        ArgumentNullException.ThrowIfNull(accelerator);
        EnsureReaches(buffer.Device);
        EnsureSharesMemory(accelerator.AcceleratorType);
        if (IlgpuTypes.Of<T>() != buffer.DType)
            throw new ArgumentException($"The buffer holds {buffer.DType.Name()}, not {typeof(T)}.", nameof(buffer));
        nint pointer = buffer.Pointer;
        if (buffer.Count == 0)
            return ArrayView<T>.Empty;
        var memory = CPUMemoryBuffer.Create(accelerator, pointer, buffer.Count, buffer.DType.SizeInBytes());
        s_owners.Add(memory, buffer);
        return memory.AsArrayView<T>(0, buffer.Count);
    }

    private static MemoryBuffer BufferOf<TView>(TView view)
        where TView : IArrayView => view.Buffer;

    private static void EnsureReaches(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        // Throws if the device was disposed.
        _ = device.CurrentStream;
        if (!device.IsHostMemory)
            throw new ArgumentException(
                $"The device is {device.Info.Name}, and memory of ILGPU's CPU accelerators is the host's: open one by "
                    + "Device.Cpu or accelerator.OpenDevice.",
                nameof(device)
            );
    }

    internal static void EnsureSharesMemory(AcceleratorType type)
    {
        if (type == AcceleratorType.Cuda)
            throw new NotSupportedException(
                "This is a CUDA accelerator of ILGPU, which makes a CUDA context of its own. Its memory and streams are "
                    + "not valid in the GPU's primary context, where NativeAmp works. Copy through the host "
                    + "(buffer.GetAsArray1D, device.Allocate), or use a library that works in the primary context, as "
                    + "ManagedCuda's PrimaryContext and TorchSharp do."
            );
        if (type != AcceleratorType.CPU)
            throw new NotSupportedException(
                $"This is an accelerator for {type}. NativeAmp shares memory with ILGPU's CPU accelerators alone."
            );
    }
}
