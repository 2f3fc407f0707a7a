using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace NativeAmp.Training.Metrics;

/// <summary>
/// One record of an event file: an <c>Event</c> message of TensorFlow (core/util/event.proto) in the protobuf wire
/// format, framed as a TFRecord.
/// </summary>
internal sealed class TensorBoardEvent
{
    /// <summary>The version that the first event of a file names.</summary>
    public const string FileVersion = "brain.Event:2";

    private const int LengthBytes = sizeof(ulong);
    private const int CrcBytes = sizeof(uint);

    // Numbers of the fields.
    private const int WallTime = 1;
    private const int Step = 2;
    private const int Version = 3;
    private const int Summary = 5;
    private const int SessionLog = 7;
    private const int SummaryValue = 1;
    private const int ValueTag = 1;
    private const int ValueSimple = 2;
    private const int SessionStatus = 1;
    private const int SessionStart = 1;

    private readonly ArrayBufferWriter<byte> _message = new();

    public TensorBoardEvent(DateTimeOffset time, long step)
    {
        WriteDouble(_message, WallTime, (time - DateTimeOffset.UnixEpoch).TotalSeconds);
        WriteInteger(_message, Step, step);
    }

    /// <summary>Makes it the first event of a file.</summary>
    public TensorBoardEvent WithVersion()
    {
        WriteBytes(_message, Version, Encoding.UTF8.GetBytes(FileVersion));
        return this;
    }

    /// <summary>Makes it the start of a session: readers forget earlier events from its step on.</summary>
    public TensorBoardEvent WithSessionStart()
    {
        var log = new ArrayBufferWriter<byte>();
        WriteInteger(log, SessionStatus, SessionStart);
        WriteBytes(_message, SessionLog, log.WrittenSpan);
        return this;
    }

    /// <summary>Adds scalars.</summary>
    public TensorBoardEvent WithScalars(IEnumerable<(string Tag, double Value)> scalars)
    {
        var summary = new ArrayBufferWriter<byte>();
        foreach ((string tag, double number) in scalars)
        {
            var value = new ArrayBufferWriter<byte>();
            WriteBytes(value, ValueTag, Encoding.UTF8.GetBytes(tag));
            WriteSingle(value, ValueSimple, (float)number);
            WriteBytes(summary, SummaryValue, value.WrittenSpan);
        }

        WriteBytes(_message, Summary, summary.WrittenSpan);
        return this;
    }

    /// <summary>The record: length, its CRC, the message, its CRC; all in little endian.</summary>
    public byte[] ToRecord()
    {
        int length = _message.WrittenCount;
        byte[] record = new byte[LengthBytes + CrcBytes + length + CrcBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(LengthBytes), MaskedCrc(record.AsSpan(0, LengthBytes)));
        Span<byte> message = record.AsSpan(LengthBytes + CrcBytes, length);
        _message.WrittenSpan.CopyTo(message);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - CrcBytes), MaskedCrc(message));
        return record;
    }

    /// <summary>CRC-32C (RFC 3720, B.4).</summary>
    internal static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~0u;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte value in bytes)
            crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }

    // A CRC over bytes that hold CRCs would be weak: TFRecord turns and shifts it.
    private static uint MaskedCrc(ReadOnlySpan<byte> bytes) =>
        unchecked(BitOperations.RotateRight(Crc32C(bytes), 15) + 0xA282EAD8);

    private static void WriteInteger(ArrayBufferWriter<byte> message, int field, long value)
    {
        WriteVarint(message, Key(field, wireType: 0));
        WriteVarint(message, (ulong)value);
    }

    private static void WriteDouble(ArrayBufferWriter<byte> message, int field, double value)
    {
        WriteVarint(message, Key(field, wireType: 1));
        Span<byte> bytes = stackalloc byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        message.Write(bytes);
    }

    private static void WriteSingle(ArrayBufferWriter<byte> message, int field, float value)
    {
        WriteVarint(message, Key(field, wireType: 5));
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        message.Write(bytes);
    }

    private static void WriteBytes(ArrayBufferWriter<byte> message, int field, ReadOnlySpan<byte> bytes)
    {
        WriteVarint(message, Key(field, wireType: 2));
        WriteVarint(message, (ulong)bytes.Length);
        message.Write(bytes);
    }

    private static ulong Key(int field, int wireType) => (ulong)((field << 3) | wireType);

    private static void WriteVarint(ArrayBufferWriter<byte> message, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            message.Write([(byte)(value | 0x80)]);
        message.Write([(byte)value]);
    }
}
