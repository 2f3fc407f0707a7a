using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Training.Export;

/// <summary>
/// A GGUF file, version 3 (github.com/ggml-org/ggml, docs/gguf.md): key-value pairs, the tensors' names, shapes and
/// offsets, then their data, each at a multiple of 32 bytes; all in little endian.
/// </summary>
internal sealed class GgufWriter
{
    private const uint Version = 3;
    private const int Alignment = 32;

    // Types of values.
    private const uint UInt32Type = 4;
    private const uint Int32Type = 5;
    private const uint Float32Type = 6;
    private const uint BoolType = 7;
    private const uint StringType = 8;
    private const uint ArrayType = 9;

    private readonly ArrayBufferWriter<byte> _pairs = new();
    private readonly List<(string Name, Shape Shape, GgufType Type, Func<byte[]> Data)> _tensors = [];
    private ulong _pairCount;

    /// <summary>Adds an unsigned integer.</summary>
    public GgufWriter Add(string key, int value)
    {
        Key(key, UInt32Type);
        Write(_pairs, (uint)value);
        return this;
    }

    /// <summary>Adds a float32 number.</summary>
    public GgufWriter Add(string key, float value)
    {
        Key(key, Float32Type);
        Write(_pairs, BitConverter.SingleToUInt32Bits(value));
        return this;
    }

    /// <summary>Adds a boolean.</summary>
    public GgufWriter Add(string key, bool value)
    {
        Key(key, BoolType);
        _pairs.Write([value ? (byte)1 : (byte)0]);
        return this;
    }

    /// <summary>Adds a text.</summary>
    public GgufWriter Add(string key, string value)
    {
        Key(key, StringType);
        Write(_pairs, value);
        return this;
    }

    /// <summary>Adds an array of texts.</summary>
    public GgufWriter Add(string key, IReadOnlyList<string> values)
    {
        Array(key, StringType, values.Count);
        foreach (string value in values)
            Write(_pairs, value);
        return this;
    }

    /// <summary>Adds an array of signed integers.</summary>
    public GgufWriter Add(string key, IReadOnlyList<int> values)
    {
        Array(key, Int32Type, values.Count);
        foreach (int value in values)
            Write(_pairs, (uint)value);
        return this;
    }

    /// <summary>Adds a tensor, whose bytes in the type are asked for when they are written.</summary>
    public void Add(string name, Shape shape, GgufType type, Func<byte[]> data) =>
        _tensors.Add((name, shape, type, data));

    /// <summary>Writes the file. A crash leaves the old file or the new one.</summary>
    public void Save(string path) => AtomicFile.Write(path, Write);

    private void Write(Stream stream)
    {
        var header = new ArrayBufferWriter<byte>();
        header.Write("GGUF"u8);
        Write(header, Version);
        Write(header, (ulong)_tensors.Count);
        Write(header, _pairCount);
        header.Write(_pairs.WrittenSpan);
        ulong offset = 0;
        foreach ((string name, Shape shape, GgufType type, _) in _tensors)
        {
            Write(header, name);
            Write(header, (uint)shape.Rank);
            // The innermost dimension comes first.
            foreach (long size in shape.Dimensions.ToArray().Reverse())
                Write(header, (ulong)size);
            Write(header, (uint)type);
            Write(header, offset);
            offset += (ulong)Aligned(GgufBlocks.Bytes(type, shape.Count));
        }

        stream.Write(header.WrittenSpan);
        Pad(stream, header.WrittenCount);
        foreach ((_, _, _, Func<byte[]> data) in _tensors)
        {
            byte[] bytes = data();
            stream.Write(bytes);
            Pad(stream, bytes.Length);
        }
    }

    private static long Aligned(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private static void Pad(Stream stream, long written) => stream.Write(new byte[Aligned(written) - written]);

    private void Key(string key, uint type)
    {
        Write(_pairs, key);
        Write(_pairs, type);
        _pairCount++;
    }

    private void Array(string key, uint type, int count)
    {
        Key(key, ArrayType);
        Write(_pairs, type);
        Write(_pairs, (ulong)count);
    }

    private static void Write(ArrayBufferWriter<byte> destination, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Write(destination, (ulong)bytes.Length);
        destination.Write(bytes);
    }

    private static void Write(ArrayBufferWriter<byte> destination, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination.GetSpan(sizeof(uint)), value);
        destination.Advance(sizeof(uint));
    }

    private static void Write(ArrayBufferWriter<byte> destination, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination.GetSpan(sizeof(ulong)), value);
        destination.Advance(sizeof(ulong));
    }
}
