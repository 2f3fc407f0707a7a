using System.Runtime.InteropServices;

namespace NativeAmp.Tests;

/// <summary>
/// Elements with any alignment, between canaries that must stay intact. On the CPU, and without a device, they are in
/// memory that NativeAmp did not allocate; on a GPU they are in the device's memory, and every read is a copy.
/// </summary>
internal sealed unsafe class GuardedTensor : IDisposable
{
    private const int Guard = 64;
    private const byte Canary = 0xA5;

    private readonly Device? _gpu;
    private readonly byte* _host; // on a GPU the last copy
    private readonly nint _block; // the address for kernels
    private readonly int _begin;
    private readonly int _bytes;

    /// <summary>
    /// Elements of a type, with the first one this many elements after a 64-byte border. Without a device they are only
    /// for comparison.
    /// </summary>
    public GuardedTensor(Device? device, DType dtype, int count, int misalignment = 0)
        : this(device, dtype, new float[count], misalignment, fill: false) { }

    public GuardedTensor(Device? device, DType dtype, float[] values, int misalignment = 0)
        : this(device, dtype, values, misalignment, fill: true) { }

    private GuardedTensor(Device? device, DType dtype, float[] values, int misalignment, bool fill)
    {
        _gpu = device is { IsHostMemory: false } ? device : null;
        DType = dtype;
        Count = values.Length;
        _begin = Guard + misalignment * dtype.SizeInBytes();
        _bytes = Count * dtype.SizeInBytes();
        _host = (byte*)NativeMemory.AlignedAlloc((nuint)(_begin + _bytes + Guard), 64);
        new Span<byte>(_host, _begin + _bytes + Guard).Fill(Canary);
        if (fill)
            Store(values);
        _block = _gpu?.AllocateMemory(_begin + _bytes + Guard, MemoryKind.Other) ?? (nint)_host;
        Upload(0, _begin + _bytes + Guard);
    }

    public DType DType { get; }

    public int Count { get; }

    public nint Pointer => _block + _begin;

    public TensorCell Cell => new(Pointer, DType);

    /// <summary>The current bytes of the elements.</summary>
    public ReadOnlySpan<byte> Bytes => Download(_begin, _bytes);

    /// <summary>
    /// An element as float32; stored by .NET's conversion for Half and by the test's own for BFloat16.
    /// </summary>
    public float this[int index]
    {
        get
        {
            Download(_begin + index * DType.SizeInBytes(), DType.SizeInBytes());
            return Load(index);
        }
        set
        {
            Store(index, value);
            Upload(_begin + index * DType.SizeInBytes(), DType.SizeInBytes());
        }
    }

    public float[] ToArray()
    {
        Download(_begin, _bytes);
        return [.. Enumerable.Range(0, Count).Select(Load)];
    }

    /// <summary>Overwrites all elements.</summary>
    public void Set(float[] values)
    {
        Assert.That(values, Has.Length.EqualTo(Count));
        Store(values);
        Upload(_begin, _bytes);
    }

    public void AssertCanariesAreAlive()
    {
        Assert.That(
            Download(0, _begin).IndexOfAnyExcept(Canary),
            Is.EqualTo(-1),
            "something was written before the tensor"
        );
        Assert.That(
            Download(_begin + _bytes, Guard).IndexOfAnyExcept(Canary),
            Is.EqualTo(-1),
            "something was written after the tensor"
        );
    }

    public void Dispose()
    {
        _gpu?.FreeMemory(_block);
        NativeMemory.AlignedFree(_host);
    }

    private ReadOnlySpan<byte> Download(int offset, int bytes)
    {
        var span = new Span<byte>(_host + offset, bytes);
        if (bytes > 0)
            _gpu?.CopyToHost(span, _block + offset);
        return span;
    }

    private void Upload(int offset, int bytes)
    {
        if (bytes > 0)
            _gpu?.CopyToDevice(_block + offset, new ReadOnlySpan<byte>(_host + offset, bytes));
    }

    private void Store(float[] values)
    {
        for (int i = 0; i < values.Length; i++)
            Store(i, values[i]);
    }

    private float Load(int index)
    {
        byte* elements = _host + _begin;
        return DType switch
        {
            DType.Float32 => ((float*)elements)[index],
            DType.Float16 => (float)((Half*)elements)[index],
            DType.BFloat16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)elements)[index] << 16),
            DType.Int32 => ((int*)elements)[index],
            _ => throw new InvalidOperationException(),
        };
    }

    private void Store(int index, float value)
    {
        byte* elements = _host + _begin;
        switch (DType)
        {
            case DType.Float32:
                ((float*)elements)[index] = value;
                break;
            case DType.Float16:
                ((Half*)elements)[index] = (Half)value;
                break;
            case DType.BFloat16:
                ((ushort*)elements)[index] = RoundingOracle.BFloat16Bits(value);
                break;
            case DType.Int32:
                ((int*)elements)[index] = (int)value;
                break;
            default:
                throw new InvalidOperationException();
        }
    }
}
