using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Device memory for elements of one type. It belongs to the stream that was current when it was allocated. Disposing
/// the buffer gives the memory back to the device's cache, or to its owner if <see cref="Device.BorrowMemory"/> made
/// the buffer.
/// </summary>
public sealed unsafe class DeviceBuffer : IDisposable
{
    private readonly DeviceResourceHandle? _memory;
    private readonly BorrowedMemoryHandle? _loan;
    private readonly nint _pointer;
    private readonly nint _stream;
    private readonly DeviceGraph? _graph; // during whose capture it was allocated
    private bool _disposed;

    internal DeviceBuffer(Device device, DType dtype, long count, MemoryKind kind)
    {
        int size = dtype.SizeInBytes();
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, long.MaxValue / size);
        _stream = (nint)DeviceStream.NativeOf(device, null);
        _pointer = device.AllocateMemory(count * size, kind);
        _graph = DeviceGraph.CapturedOn(device);
        Device = device;
        DType = dtype;
        Count = count;
        Kind = kind;
        // An empty buffer allocates nothing, and has no handle: a null pointer is not a valid one.
        if (_pointer != 0)
            _memory = new MemoryHandle(device.Handle, _pointer, Bytes, _stream);
    }

    internal DeviceBuffer(Device device, DType dtype, long count, nint borrowed, Action? release)
    {
        _pointer = borrowed;
        Device = device;
        DType = dtype;
        Count = count;
        Kind = MemoryKind.Other;
        _memory = _loan = new BorrowedMemoryHandle(device.Handle, release);
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    /// <summary>Type of the elements.</summary>
    public DType DType { get; }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>The purpose of the memory, for the statistics.</summary>
    public MemoryKind Kind { get; }

    /// <summary>Bytes of all elements.</summary>
    public long Bytes => Count * DType.SizeInBytes();

    /// <summary>The device pointer, valid until the buffer is disposed; 0 if there are no elements.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // The graph's launches use it. What is allocated during the capture is the graph's own.
            if (_memory is not null && DeviceGraph.CapturedOn(Device) is { } graph && graph != _graph)
                graph.Hold(_memory);
            return _pointer;
        }
    }

    /// <summary>The elements as a span of host memory. Do not use the span after the buffer is disposed.</summary>
    /// <typeparam name="T">The .NET type of <see cref="DType"/>.</typeparam>
    /// <exception cref="InvalidOperationException">The memory is a GPU's, or holds more elements than a span
    /// can.</exception>
    /// <exception cref="ArgumentException">The type is not that of the elements.</exception>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        EnsureType<T>();
        if (!Device.IsHostMemory)
            throw new InvalidOperationException("The memory is on a GPU, where the host cannot reach it: use CopyTo.");
        if (Count > int.MaxValue)
            throw new InvalidOperationException(
                $"A span holds at most {int.MaxValue} elements; the buffer has {Count}."
            );
        return new Span<T>((void*)Pointer, (int)Count);
    }

    /// <summary>Copies elements in, beginning at an offset.</summary>
    /// <param name="source">The elements.</param>
    /// <param name="offset">Index of the first element to overwrite.</param>
    public void CopyFrom<T>(ReadOnlySpan<T> source, long offset = 0)
        where T : unmanaged
    {
        nint destination = At<T>(offset, source.Length);
        fixed (T* pointer = source)
        {
            for (long done = 0; done < source.Length; done += ByteSpanLimit<T>())
                Device.CopyToDevice(destination + (nint)(done * sizeof(T)), Piece<T>(pointer, source.Length, done));
        }
        RecordStream();
        GC.KeepAlive(this);
    }

    /// <summary>Copies elements out, beginning at an offset, and waits for them.</summary>
    /// <param name="destination">The destination; its length is the number of elements copied.</param>
    /// <param name="offset">Index of the first element to read.</param>
    public void CopyTo<T>(Span<T> destination, long offset = 0)
        where T : unmanaged
    {
        nint source = At<T>(offset, destination.Length);
        fixed (T* pointer = destination)
        {
            for (long done = 0; done < destination.Length; done += ByteSpanLimit<T>())
                Device.CopyToHost(Piece<T>(pointer, destination.Length, done), source + (nint)(done * sizeof(T)));
        }
        GC.KeepAlive(this);
    }

    /// <summary>
    /// Copies elements in, beginning at an offset, when it is their turn on a stream; returns at once. The source is
    /// the device's until then.
    /// </summary>
    /// <param name="source">The elements: all of them are copied.</param>
    /// <param name="offset">Index of the first element to overwrite.</param>
    /// <param name="stream">The stream; null for the current one.</param>
    /// <exception cref="ArgumentException">They do not fit, are of another type, or belong to another
    /// device.</exception>
    public void EnqueueCopyFrom<T>(PinnedBuffer<T> source, long offset = 0, DeviceStream? stream = null)
        where T : unmanaged
    {
        nint destination = At(offset, source);
        Device.EnqueueCopy((void*)destination, source.Pointer, BytesOf(source), NampCopyDirection.HostToDevice, stream);
        RecordStream(stream);
        GC.KeepAlive(source);
    }

    /// <summary>
    /// Copies elements out, beginning at an offset, when it is their turn on a stream; returns at once. They are there
    /// once a <see cref="DeviceEvent"/> that is recorded after the call is reached.
    /// </summary>
    /// <param name="destination">Where they go; as many are copied as it holds.</param>
    /// <param name="offset">Index of the first element to read.</param>
    /// <param name="stream">The stream; null for the current one.</param>
    /// <exception cref="ArgumentException">There are not as many, they are of another type, or it belongs to another
    /// device.</exception>
    public void EnqueueCopyTo<T>(PinnedBuffer<T> destination, long offset = 0, DeviceStream? stream = null)
        where T : unmanaged
    {
        nint source = At(offset, destination);
        Device.EnqueueCopy(
            destination.Pointer,
            (void*)source,
            BytesOf(destination),
            NampCopyDirection.DeviceToHost,
            stream
        );
        RecordStream(stream);
        GC.KeepAlive(destination);
    }

    /// <summary>The elements as an array.</summary>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        var array = new T[Count];
        CopyTo(array.AsSpan());
        return array;
    }

    /// <summary>Sets every byte to zero.</summary>
    public void Clear()
    {
        Device.FillMemory(Pointer, 0, Bytes);
        RecordStream();
    }

    /// <summary>
    /// Records that another stream than the one of allocation uses the memory (PyTorch's <c>record_stream</c>). Once
    /// the buffer is disposed, the memory is reused only after the work that the stream had by then. The buffer's own
    /// methods record the stream that they use.
    /// </summary>
    /// <param name="stream">The stream; null for the current one.</param>
    public void RecordStream(DeviceStream? stream = null)
    {
        nint pointer = Pointer;
        void* user = DeviceStream.NativeOf(Device, stream);
        if (_loan is not null)
        {
            _loan.RecordStream((nint)user, stream ?? Device.StreamInUse);
            return;
        }

        if ((nint)user == _stream || pointer == 0)
            return;
        Ensure.Success(NativeMethods.MemoryRecordStream(Device.Native, (void*)pointer, user));
    }

    /// <summary>The whole buffer as a cell of a <see cref="TensorTable"/>.</summary>
    public TensorCell ToCell() => new(Pointer, DType);

    /// <summary>
    /// Gives the memory back. Work already on the buffer's stream, and on the streams of <see cref="RecordStream"/>,
    /// may still use it.
    /// </summary>
    public void Dispose()
    {
        _disposed = true;
        _memory?.Dispose();
    }

    // A span counts in int: a copy of more bytes than that goes in pieces.
    private static int ByteSpanLimit<T>()
        where T : unmanaged => int.MaxValue / sizeof(T);

    private static Span<byte> Piece<T>(T* pointer, int length, long done)
        where T : unmanaged =>
        MemoryMarshal.AsBytes(new Span<T>(pointer + done, (int)Math.Min(length - done, ByteSpanLimit<T>())));

    private nint At<T>(long offset, long length)
        where T : unmanaged
    {
        EnsureType<T>();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (offset > Count || length > Count - offset)
            throw new ArgumentException($"Elements {offset} to {offset + length} do not lie in a buffer of {Count}.");
        return Pointer + (nint)(offset * sizeof(T));
    }

    private nint At<T>(long offset, PinnedBuffer<T> host)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(host);
        if (host.Device != Device)
            throw new ArgumentException("The pinned buffer is of another device.");
        return At<T>(offset, host.Count);
    }

    private static long BytesOf<T>(PinnedBuffer<T> host)
        where T : unmanaged => (long)host.Count * sizeof(T);

    private void EnsureType<T>()
        where T : unmanaged
    {
        if (!DType.Holds<T>())
            throw new ArgumentException($"The buffer holds {DType.Name()}, not {typeof(T).Name}.");
    }
}
