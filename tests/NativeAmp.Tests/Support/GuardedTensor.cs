using System.Runtime.InteropServices;

namespace NativeAmp.Tests;

/// <summary>Elements in the process's memory that start where one likes, between canaries that must stay intact.</summary>
internal sealed unsafe class GuardedTensor : IDisposable
{
    private const int Guard = 64;
    private const byte Canary = 0xA5;

    private readonly byte* _block;
    private readonly int _begin;
    private readonly int _bytes;

    /// <summary>Elements of a type, the first of them that many elements past a 64-byte border.</summary>
    public GuardedTensor(DType dtype, int count, int misalignment = 0)
    {
        DType = dtype;
        Count = count;
        _begin = Guard + misalignment * dtype.SizeInBytes();
        _bytes = count * dtype.SizeInBytes();
        _block = (byte*)NativeMemory.AlignedAlloc((nuint)(_begin + _bytes + Guard), 64);
        new Span<byte>(_block, _begin + _bytes + Guard).Fill(Canary);
    }

    public GuardedTensor(DType dtype, float[] values, int misalignment = 0)
        : this(dtype, values.Length, misalignment)
    {
        for (int i = 0; i < values.Length; i++) this[i] = values[i];
    }

    public DType DType { get; }

    public int Count { get; }

    public nint Pointer => (nint)(_block + _begin);

    public TensorCell Cell => new(Pointer, DType);

    public Span<byte> Bytes => new(_block + _begin, _bytes);

    /// <summary>An element as float32; stored by .NET's conversion for Half and by the test's own for BFloat16.</summary>
    public float this[int index]
    {
        get => DType switch
        {
            DType.Float32 => ((float*)Pointer)[index],
            DType.Float16 => (float)((Half*)Pointer)[index],
            DType.BFloat16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)Pointer)[index] << 16),
            DType.Int32 => ((int*)Pointer)[index],
            _ => throw new InvalidOperationException(),
        };
        set
        {
            switch (DType)
            {
                case DType.Float32: ((float*)Pointer)[index] = value; break;
                case DType.Float16: ((Half*)Pointer)[index] = (Half)value; break;
                case DType.BFloat16: ((ushort*)Pointer)[index] = RoundingOracle.BFloat16Bits(value); break;
                case DType.Int32: ((int*)Pointer)[index] = (int)value; break;
                default: throw new InvalidOperationException();
            }
        }
    }

    public float[] ToArray() => [.. Enumerable.Range(0, Count).Select(i => this[i])];

    public void AssertCanariesAreAlive()
    {
        var before = new ReadOnlySpan<byte>(_block, _begin);
        var after = new ReadOnlySpan<byte>(_block + _begin + _bytes, Guard);
        Assert.That(before.IndexOfAnyExcept(Canary), Is.EqualTo(-1), "something was written before the tensor");
        Assert.That(after.IndexOfAnyExcept(Canary), Is.EqualTo(-1), "something was written after the tensor");
    }

    public void Dispose() => NativeMemory.AlignedFree(_block);
}
