using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace NativeAmp.Training.Wire;

/// <summary>
/// Writes one message in the protobuf wire format (protobuf.dev/programming-guides/encoding), field by field. The
/// caller knows the fields' numbers and types.
/// </summary>
internal sealed class ProtobufMessage
{
    private const int VarintType = 0;
    private const int EightBytes = 1;
    private const int LengthPrefixed = 2;
    private const int FourBytes = 5;

    private readonly ArrayBufferWriter<byte> _bytes = new();

    /// <summary>The message so far.</summary>
    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    /// <summary>Adds an int32, int64 or enum field.</summary>
    public ProtobufMessage Integer(int field, long value)
    {
        Key(field, VarintType);
        Varint((ulong)value);
        return this;
    }

    /// <summary>Adds a repeated int64 field, packed.</summary>
    public ProtobufMessage Integers(int field, ReadOnlySpan<long> values)
    {
        var packed = new ProtobufMessage();
        foreach (long value in values)
            packed.Varint((ulong)value);
        return Bytes(field, packed.Written);
    }

    /// <summary>Adds a double field.</summary>
    public ProtobufMessage Double(int field, double value)
    {
        Key(field, EightBytes);
        BinaryPrimitives.WriteDoubleLittleEndian(_bytes.GetSpan(sizeof(double)), value);
        _bytes.Advance(sizeof(double));
        return this;
    }

    /// <summary>Adds a float field.</summary>
    public ProtobufMessage Single(int field, float value)
    {
        Key(field, FourBytes);
        BinaryPrimitives.WriteSingleLittleEndian(_bytes.GetSpan(sizeof(float)), value);
        _bytes.Advance(sizeof(float));
        return this;
    }

    /// <summary>Adds a string field.</summary>
    public ProtobufMessage Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    /// <summary>Adds a field that is a message.</summary>
    public ProtobufMessage Message(int field, ProtobufMessage value) => Bytes(field, value.Written);

    /// <summary>Adds a bytes field.</summary>
    public ProtobufMessage Bytes(int field, ReadOnlySpan<byte> value)
    {
        Prefix(field, value.Length);
        _bytes.Write(value);
        return this;
    }

    /// <summary>
    /// Adds the beginning of a field of bytes or of a message; its content, of this length, follows from elsewhere.
    /// </summary>
    public ProtobufMessage Prefix(int field, long length)
    {
        Key(field, LengthPrefixed);
        Varint((ulong)length);
        return this;
    }

    private void Key(int field, int wireType) => Varint((ulong)((field << 3) | wireType));

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            _bytes.Write([(byte)(value | 0x80)]);
        _bytes.Write([(byte)value]);
    }
}
