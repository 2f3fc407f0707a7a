using ManagedCuda;
using ManagedCuda.BasicTypes;

namespace NativeAmp.ManagedCuda;

/// <summary>
/// The context of a device. It is current on this thread until the scope is disposed, where no other context was: the
/// driver answers no questions without one.
/// </summary>
internal sealed class ContextScope : IDisposable
{
    private readonly Device _device;
    private readonly CudaContext? _pushed;
    private readonly PrimaryContext? _primary;

    /// <param name="device">The device.</param>
    /// <param name="context">The context that it was opened in, by <c>OpenDevice</c>; null for the primary one.</param>
    /// <exception cref="ArgumentException">The device is the CPU.</exception>
    public ContextScope(Device device, CudaContext? context)
    {
        ArgumentNullException.ThrowIfNull(device);
        // Throws if the device was disposed.
        _ = device.CurrentStream;
        if (device.IsHostMemory)
            throw new ArgumentException(
                "The device is the CPU, which has no memory and no streams of CUDA: open one by context.OpenDevice or "
                    + "Device.Cuda.",
                nameof(device)
            );
        _device = device;
        if (HasCurrent())
            return;
        _primary = context is null ? new PrimaryContext(device.Ordinal) : null;
        _pushed = context ?? _primary!;
        try
        {
            _pushed.PushContext();
        }
        catch
        {
            _primary?.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a context of the program that is not the device's.</summary>
    /// <param name="context">The context of the subject.</param>
    /// <param name="subject">The first words of the message.</param>
    /// <exception cref="NotSupportedException">It is another context.</exception>
    public void Ensure(CUcontext context, string subject)
    {
        if (context.Pointer != _device.CudaContext)
            throw new NotSupportedException(
                $"{subject} another CUDA context than the one in which NativeAmp's device works on CUDA device "
                    + $"{_device.Ordinal}; memory and streams of one context are not valid in another. Open the device "
                    + "in that context, by context.OpenDevice(), and make memory and streams where it is current "
                    + "(SetCurrent)."
            );
    }

    /// <summary>Refuses memory that NativeAmp's kernels cannot reach.</summary>
    /// <exception cref="ArgumentException">It is no memory of CUDA (any more), or another GPU's.</exception>
    /// <exception cref="NotSupportedException">It is of another context.</exception>
    public void Ensure(CUdeviceptr pointer)
    {
        string place = $"0x{(ulong)pointer:X}";
        int ordinal;
        try
        {
            ordinal = pointer.AttributeDeviceOrdinal;
        }
        catch (CudaException failure)
        {
            throw new ArgumentException(
                $"The driver knows no memory at {place}: it was freed, or its context is gone.",
                failure
            );
        }
        if (ordinal != _device.Ordinal)
            throw new ArgumentException(
                $"The variable at {place} is memory of CUDA device {ordinal}; NativeAmp's device is CUDA device "
                    + $"{_device.Ordinal}."
            );
        if (ContextOf(pointer) is { } context)
            Ensure(context, $"The variable at {place} is memory of");
    }

    /// <summary>Refuses a stream of another context.</summary>
    /// <exception cref="ArgumentException">It is no stream.</exception>
    /// <exception cref="NotSupportedException">It is of another context.</exception>
    public void Ensure(CUstream stream)
    {
        CUcontext context = default;
        CUResult result = DriverAPINativeMethods.Streams.cuStreamGetCtx(stream, ref context);
        if (result != CUResult.Success)
            throw new ArgumentException(
                $"The driver knows no stream 0x{stream.Pointer:X}: it was disposed, or it is of another context than "
                    + "the current one.",
                new CudaException(result)
            );
        Ensure(context, $"The stream 0x{stream.Pointer:X} is of");
    }

    public void Dispose()
    {
        _pushed?.PopContext();
        _primary?.Dispose();
    }

    // Null where memory belongs to a device and no context, as that of a memory pool may: new CudaDeviceVariable(size,
    // stream).
    private static CUcontext? ContextOf(CUdeviceptr pointer)
    {
        try
        {
            CUcontext context = pointer.AttributeContext;
            return context.Pointer == 0 ? null : context;
        }
        catch (CudaException)
        {
            return null;
        }
    }

    private static bool HasCurrent()
    {
        CUcontext current = default;
        CUResult result = DriverAPINativeMethods.ContextManagement.cuCtxGetCurrent(ref current);
        return result == CUResult.Success ? current.Pointer != 0 : throw new CudaException(result);
    }
}
