namespace NativeAmp;

/// <content>Streams and memory that belong to somebody else.</content>
public sealed unsafe partial class Device
{
    // CU_STREAM_LEGACY: what 0 means to everybody else.
    private const nint LegacyStream = 1;

    /// <summary>
    /// A stream that belongs to somebody else, such as ManagedCuda's <c>CUstream.Pointer</c>. 0 is CUDA's default
    /// stream, as everybody else has it; on the CPU it is <see cref="Stream"/>.
    /// </summary>
    public DeviceStream BorrowStream(nint handle)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        if (IsHostMemory)
            return Stream;
        return new DeviceStream(this, handle == 0 ? LegacyStream : handle);
    }

    /// <summary>
    /// A buffer over memory that belongs to somebody else, without a copy: another library's, a pinned array's, a
    /// mapped file's. Disposing the buffer frees nothing, and calls <paramref name="release"/>.
    /// </summary>
    /// <param name="pointer">The first element: an address that the host reads and writes for a CPU device, a device
    /// pointer of this GPU otherwise. Nobody can check that. 0 is allowed if there are no elements.</param>
    /// <param name="dtype">Type of the elements.</param>
    /// <param name="count">Number of elements, 0 or more.</param>
    /// <param name="release">Called once when the memory is no longer used; null if it outlives the buffer in any case.
    /// It is called by the thread that disposes the buffer, or, if nobody disposes it, by a later call that uses the
    /// device. On a GPU that thread first waits for the streams that used the memory; those of somebody else must live
    /// until then. It must not throw. An object that has to stay alive is kept by <c>() =&gt;
    /// GC.KeepAlive(owner)</c>.</param>
    /// <exception cref="ArgumentException">The pointer is 0 although there are elements, is not aligned to them, or the
    /// elements would go beyond the end of the address space.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or the dtype is none.</exception>
    /// <remarks>After an exception the memory is still the caller's, and <paramref name="release"/> is not
    /// called.</remarks>
    public DeviceBuffer BorrowMemory(nint pointer, DType dtype, long count, Action? release = null)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        int size = dtype.SizeInBytes();
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (pointer == 0 && count > 0)
            throw new ArgumentException($"The pointer to {count} elements is null.", nameof(pointer));
        if ((nuint)pointer % (nuint)size != 0)
        {
            throw new ArgumentException(
                $"The pointer 0x{pointer:x} is not aligned to a {dtype.Name()}: it must be a multiple of {size} bytes.",
                nameof(pointer)
            );
        }

        if ((UInt128)(nuint)pointer + (UInt128)count * (UInt128)size > (UInt128)nuint.MaxValue)
        {
            throw new ArgumentException(
                $"{count} elements of {dtype.Name()} from 0x{pointer:x} go beyond the end of the address space.",
                nameof(count)
            );
        }

        return new DeviceBuffer(this, dtype, count, pointer, release);
    }
}
