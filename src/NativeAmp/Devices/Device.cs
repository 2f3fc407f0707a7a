using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>A place to compute: the machine's processors, or an NVIDIA GPU.</summary>
/// <remarks>
/// Several threads may use a device, its buffers and tables at once: operators follow each other in some order, each
/// whole. What two of them read and write is the callers' matter, as is disposing what another thread still uses.
/// Disposing it while buffers, tables or events of it are alive is allowed: it is closed after the last of them, and
/// until then serves as before, what is allocated anew included. Once it is closed everything but <see cref="Kind"/>,
/// <see cref="Ordinal"/> and <see cref="IsHostMemory"/> is an <see cref="ObjectDisposedException"/>.
/// </remarks>
public sealed unsafe partial class Device : IDisposable
{
    private readonly DeviceHandle _handle = new();

    private Device(DeviceKind kind, int ordinal)
    {
        NativeAmpRuntime.EnsureLoaded();
        NampDevice* device;
        Ensure.Success(NativeMethods.DeviceOpen(&device, (int)kind, ordinal));
        _handle.Set(device);
        Kind = kind;
        Ordinal = ordinal;
        Stream = OwnStream(device);
    }

    private Device(nint context)
    {
        NativeAmpRuntime.EnsureLoaded();
        NampDevice* device;
        Ensure.Success(NativeMethods.DeviceOpenContext(&device, (void*)context));
        _handle.Set(device);
        Kind = DeviceKind.Cuda;
        Ordinal = Info.Ordinal;
        Stream = OwnStream(device);
    }

    private DeviceStream OwnStream(NampDevice* device)
    {
        void* stream;
        Ensure.Success(NativeMethods.DeviceGetStream(&stream, device));
        return new DeviceStream(this, (nint)stream, isOwn: true);
    }

    /// <summary>The kind of device.</summary>
    public DeviceKind Kind { get; }

    /// <summary>Its number among its kind.</summary>
    public int Ordinal { get; }

    /// <summary>
    /// The device's own stream, on which everything runs where no other is named or in use. It is not CUDA's default
    /// stream.
    /// </summary>
    public DeviceStream Stream { get; }

    /// <summary>
    /// The stream on which everything runs, here and now, that names no other: that of the innermost <see cref="Use"/>,
    /// or <see cref="Stream"/>.
    /// </summary>
    public DeviceStream CurrentStream
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return StreamInUse ?? Stream;
        }
    }

    /// <summary>The CUDA context (a <c>CUcontext</c>) that it works in; 0 for the CPU.</summary>
    /// <exception cref="ObjectDisposedException">The device was closed.</exception>
    public nint CudaContext
    {
        get
        {
            void* context;
            Ensure.Success(NativeMethods.DeviceGetContext(&context, Native));
            return (nint)context;
        }
    }

    /// <summary>Whether the host reads and writes this device's memory as its own.</summary>
    public bool IsHostMemory => Kind == DeviceKind.Cpu;

    /// <summary>Facts of the device, asked now.</summary>
    public DeviceInfo Info
    {
        get
        {
            var info = NampDeviceInfo.Create();
            Ensure.Success(NativeMethods.DeviceGetInfo(&info, Native));
            return new DeviceInfo(info);
        }
    }

    /// <summary>
    /// Threads of the CPU, 1 to 1024; setting 0 takes as many as there are processors to run on, a container's CPU
    /// quota pays for and OMP_NUM_THREADS names, whichever is least (<see cref="DeviceInfo.ThreadsReason"/> says
    /// which). Results of casts, scaling, checks and Adam do not depend on it.
    /// </summary>
    /// <exception cref="NativeAmpArgumentException">The number is out of range.</exception>
    /// <exception cref="NativeAmpUnsupportedException">It is set on a GPU.</exception>
    public int Threads
    {
        get => Info.Threads;
        set => Ensure.Success(NativeMethods.DeviceSetThreads(Native, value));
    }

    /// <summary>
    /// SIMD instruction set of the CPU's kernels. Every one gives the same bits for casts, scaling, checks and Adam.
    /// </summary>
    /// <exception cref="NativeAmpUnsupportedException">The machine lacks it, or it is set on a GPU.</exception>
    public SimdTarget Simd
    {
        get => Info.Simd;
        set => Ensure.Success(NativeMethods.DeviceSetSimd(Native, (int)value));
    }

    /// <summary>
    /// Whether products of float32 matrices on a GPU may round what they multiply to TF32 (10 bits of fraction), which
    /// tensor cores of compute capability 8.0 and later multiply several times faster; false at first. Sums stay
    /// float32. Nothing changes on the CPU, without cuBLAS, nor for other types.
    /// </summary>
    public bool AllowTf32
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return field;
        }
        set
        {
            Ensure.Success(NativeMethods.DeviceSetAllowTf32(Native, value ? 1 : 0));
            field = value;
        }
    }

    /// <summary>
    /// Whether the first product of matrices of each kind on a GPU (sizes, types, what follows) is computed in each way
    /// there is, by cuBLAS and by kernels of our own, and the fastest one remembered as long as the device is open;
    /// false at first, for then cuBLAS computes all. It is as torch.backends.cudnn.benchmark: a step of constant shapes
    /// gains, the first one waits, and two runs may differ in the last bits, as the ways add in different orders.
    /// Nothing changes on the CPU, nor without cuBLAS. NATIVEAMP_MEASURE_PRODUCTS=1 measures from the beginning.
    /// </summary>
    public bool MeasuresProducts
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return field;
        }
        set
        {
            Ensure.Success(NativeMethods.DeviceSetMeasureProducts(Native, value ? 1 : 0));
            field = value;
        }
    }

    /// <summary>Bytes in use by what they are for, asked now.</summary>
    public DeviceMemoryStatistics MemoryStatistics
    {
        get
        {
            var statistics = NampMemoryStatistics.Create();
            Ensure.Success(NativeMethods.MemoryGetStatistics(&statistics, Native));
            return new DeviceMemoryStatistics(statistics);
        }
    }

    /// <summary>The native device, for a call that this object outlives.</summary>
    internal NampDevice* Native
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return (NampDevice*)_handle.DangerousGetHandle();
        }
    }

    internal DeviceStream? StreamInUse => StreamScope.InUse(this);

    /// <summary>The lock of backward passes, optimizer steps and cleared gradients on this device.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>The training library's object for this device.</summary>
    internal object? Attachment { get; set; }

    /// <summary>The handle, for what keeps the device open.</summary>
    internal DeviceHandle Handle => _handle;

    /// <summary>The note of labels and indices out of range.</summary>
    internal IndexFacts IndexFacts { get; } = new();

    internal DeviceConstants Constants { get; } = new();

    /// <summary>Memory for elements, contents undefined.</summary>
    /// <param name="dtype">Type of the elements.</param>
    /// <param name="count">How many, 0 or more.</param>
    /// <param name="kind">What it is for.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device cannot give that much.</exception>
    public DeviceBuffer Allocate(DType dtype, long count, MemoryKind kind = MemoryKind.Other) =>
        new(this, dtype, count, kind);

    /// <summary>Memory for elements, filled with these.</summary>
    /// <typeparam name="T"><see cref="float"/>, <see cref="Half"/>, <see cref="BFloat16"/>, <see cref="int"/> or
    /// <see cref="byte"/>.</typeparam>
    public DeviceBuffer Allocate<T>(ReadOnlySpan<T> elements, MemoryKind kind = MemoryKind.Other)
        where T : unmanaged
    {
        var buffer = new DeviceBuffer(this, DTypes.Of<T>(), elements.Length, kind);
        buffer.CopyFrom(elements);
        return buffer;
    }

    /// <summary>
    /// Bare memory from the caching allocator, aligned to 256 bytes, contents undefined: for those who manage lifetimes
    /// themselves and must not allocate managed objects. It is to be given back by <see cref="FreeMemory"/> before the
    /// device is disposed.
    /// </summary>
    /// <param name="bytes">How much; 0 gives a null pointer.</param>
    /// <param name="kind">What it is for.</param>
    /// <param name="stream">The stream that it belongs to; null for the current one.</param>
    public nint AllocateMemory(long bytes, MemoryKind kind, DeviceStream? stream = null)
    {
        _handle.FreeAbandoned();
        void* pointer;
        Ensure.Success(
            NativeMethods.MemoryAllocate(&pointer, Native, bytes, (int)kind, DeviceStream.NativeOf(this, stream))
        );
        return (nint)pointer;
    }

    /// <summary>
    /// Gives back what <see cref="AllocateMemory"/> gave. What was put on the stream before may still use it. Zero is
    /// ignored.
    /// </summary>
    public void FreeMemory(nint pointer, DeviceStream? stream = null) =>
        Ensure.Success(NativeMethods.MemoryFree(Native, (void*)pointer, DeviceStream.NativeOf(this, stream)));

    /// <summary>
    /// Copies bytes from the host's memory to the device's. The host's is read before it returns; the device's is
    /// written when it is the copy's turn.
    /// </summary>
    public void CopyToDevice(nint destination, ReadOnlySpan<byte> source, DeviceStream? stream = null)
    {
        fixed (byte* pointer = source)
            Copy(
                (void*)destination,
                pointer,
                source.Length,
                NampCopyDirection.HostToDevice,
                DeviceStream.NativeOf(this, stream)
            );
    }

    /// <summary>Copies bytes from the device's memory to the host's, and waits for them.</summary>
    public void CopyToHost(Span<byte> destination, nint source, DeviceStream? stream = null)
    {
        fixed (byte* pointer = destination)
            Copy(
                pointer,
                (void*)source,
                destination.Length,
                NampCopyDirection.DeviceToHost,
                DeviceStream.NativeOf(this, stream)
            );
    }

    /// <summary>Copies bytes from or to pinned memory of the device, when it is their turn on a stream.</summary>
    internal void EnqueueCopy(
        void* destination,
        void* source,
        long bytes,
        NampCopyDirection direction,
        DeviceStream? stream = null
    ) =>
        Ensure.Success(
            NativeMethods.MemoryCopyAsync(
                Native,
                destination,
                source,
                bytes,
                (int)direction,
                DeviceStream.NativeOf(this, stream)
            )
        );

    /// <summary>
    /// Reads one value from the device's memory, and waits for it; from the host's memory without a call into native
    /// code.
    /// </summary>
    internal T Read<T>(nint source)
        where T : unmanaged
    {
        if (IsHostMemory)
            return *(T*)source;
        T value;
        CopyToHost(new Span<byte>(&value, sizeof(T)), source);
        return value;
    }

    /// <summary>Copies bytes within the device's memory.</summary>
    public void CopyOnDevice(nint destination, nint source, long bytes, DeviceStream? stream = null) =>
        Copy(
            (void*)destination,
            (void*)source,
            bytes,
            NampCopyDirection.DeviceToDevice,
            DeviceStream.NativeOf(this, stream)
        );

    /// <summary>Sets every byte of the device's memory there to a value.</summary>
    public void FillMemory(nint destination, byte value, long bytes, DeviceStream? stream = null) =>
        Ensure.Success(
            NativeMethods.MemoryFill(Native, (void*)destination, value, bytes, DeviceStream.NativeOf(this, stream))
        );

    /// <summary>Gives memory that is cached and not in use back to the system.</summary>
    public void TrimMemory()
    {
        _handle.FreeAbandoned();
        Ensure.Success(NativeMethods.MemoryTrim(Native));
    }

    /// <summary>Sets every peak of <see cref="MemoryStatistics"/> to what is in use now.</summary>
    public void ResetPeakMemory() => Ensure.Success(NativeMethods.MemoryResetPeak(Native));

    /// <summary>
    /// A new stream; what was put on <see cref="Stream"/> before is done before what is put on it. On the CPU, which
    /// has only one, that one again.
    /// </summary>
    public DeviceStream CreateStream()
    {
        void* stream;
        Ensure.Success(NativeMethods.StreamCreate(&stream, Native));
        return stream is null ? Stream : new DeviceStream(this, (nint)stream, owned: true);
    }

    /// <summary>
    /// Makes a stream current in this flow of control until the scope is disposed: it stays over <c>await</c>, goes
    /// into tasks that are started within, and is nowhere else. Scopes nest. What was put on the stream before is not
    /// waited for: see <see cref="DeviceStream.WaitFor(DeviceStream)"/>.
    /// </summary>
    /// <exception cref="ArgumentException">The stream is of another device.</exception>
    public StreamScope Use(DeviceStream stream)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.Device != this)
            throw new ArgumentException("The stream is of another device.", nameof(stream));
        return StreamScope.Enter(stream);
    }

    /// <summary>
    /// Closes the device after the last of its buffers and tables. Those that nobody refers to any more do not count.
    /// </summary>
    public void Dispose()
    {
        if (_handle is { IsClosed: false, BufferBytes: > 0 })
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        _handle.Dispose();
    }

    private void Copy(void* destination, void* source, long bytes, NampCopyDirection direction, void* stream) =>
        Ensure.Success(NativeMethods.MemoryCopy(Native, destination, source, bytes, (int)direction, stream));
}
