using System.Buffers.Binary;
using System.Text;

namespace NativeAmp.Export.Tests.Gguf;

/// <summary>
/// A reader of GGUF after its specification (github.com/ggml-org/ggml, docs/gguf.md), strict about everything that it
/// says, with the arithmetic of blocks in double. It shares no code with the writer.
/// </summary>
internal sealed class GgufReader
{
    private readonly byte[] _file;
    private int _at;

    public GgufReader(string path)
    {
        _file = File.ReadAllBytes(path);
        Assert.That(Encoding.ASCII.GetString(Take(4)), Is.EqualTo("GGUF"));
        Assert.That(UInt32(), Is.EqualTo(3));
        int tensors = checked((int)UInt64());
        int pairs = checked((int)UInt64());
        for (int i = 0; i < pairs; i++)
        {
            string key = Text();
            Assert.That(key, Does.Match("^[a-z0-9_.]{1,64}$"));
            Values.Add(key, Value(UInt32()));
        }

        List<(string Name, long[] Sizes, uint Type, long Offset)> infos = [];
        for (int i = 0; i < tensors; i++)
        {
            string name = Text();
            Assert.That(name, Has.Length.InRange(1, 63));
            long[] sizes = [.. Enumerable.Range(0, (int)UInt32()).Select(_ => (long)UInt64())];
            infos.Add((name, sizes, UInt32(), (long)UInt64()));
        }

        long start = (_at + 31) / 32 * 32;
        long end = start;
        foreach ((string name, long[] sizes, uint type, long offset) in infos)
        {
            Assert.That(offset % 32, Is.Zero);
            Assert.That(start + offset, Is.EqualTo(end), "tensors lie one after the other");
            long count = sizes.Aggregate(1L, (product, size) => product * size);
            (int length, int bytes) = BlockOf(type);
            Assert.That(sizes[0] % length, Is.Zero);
            long size = count / length * bytes;
            ReadOnlySpan<byte> data = _file.AsSpan((int)(start + offset), (int)size);
            Tensors.Add(name, new Tensor(sizes, type, Decode(data, type, count)));
            end = (start + offset + size + 31) / 32 * 32;
        }

        Assert.That(_file, Has.Length.EqualTo(end), "nothing follows the last tensor's padding");
    }

    public sealed record Tensor(long[] Sizes, uint Type, float[] Numbers);

    public Dictionary<string, object> Values { get; } = [];

    public Dictionary<string, Tensor> Tensors { get; } = [];

    private static (int Length, int Bytes) BlockOf(uint type) =>
        type switch
        {
            0 => (1, 4),
            1 or 30 => (1, 2),
            2 => (32, 18),
            8 => (32, 34),
            _ => throw new InvalidDataException($"type {type}"),
        };

    private static float[] Decode(ReadOnlySpan<byte> data, uint type, long count)
    {
        float[] numbers = new float[count];
        (int length, int bytes) = BlockOf(type);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> block = data.Slice(i / length * bytes, bytes);
            int place = i % length;
            double scale = type is 2 or 8 ? (double)BinaryPrimitives.ReadHalfLittleEndian(block) : 0;
            numbers[i] = type switch
            {
                0 => BinaryPrimitives.ReadSingleLittleEndian(block),
                1 => (float)BinaryPrimitives.ReadHalfLittleEndian(block),
                30 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(block) << 16),
                2 => (float)(scale * ((place < 16 ? block[2 + place] & 15 : block[2 + place - 16] >> 4) - 8)),
                _ => (float)(scale * (sbyte)block[2 + place]),
            };
        }

        return numbers;
    }

    private object Value(uint type) =>
        type switch
        {
            4 => UInt32(),
            5 => (int)UInt32(),
            6 => BitConverter.UInt32BitsToSingle(UInt32()),
            7 => Take(1)[0] switch
            {
                0 => false,
                1 => true,
                _ => throw new InvalidDataException("a boolean is 0 or 1"),
            },
            8 => Text(),
            9 => Array(),
            _ => throw new InvalidDataException($"type {type}"),
        };

    private object[] Array()
    {
        uint type = UInt32();
        return [.. Enumerable.Range(0, checked((int)UInt64())).Select(_ => Value(type))];
    }

    private string Text() => new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Take(checked((int)UInt64())));

    private uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    private ReadOnlySpan<byte> Take(int count)
    {
        ReadOnlySpan<byte> taken = _file.AsSpan(_at, count);
        _at += count;
        return taken;
    }
}
