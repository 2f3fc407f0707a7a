using System.Buffers.Binary;
using System.Numerics;
using NativeAmp.Training.Wire;

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

    private readonly ProtobufMessage _message;

    public TensorBoardEvent(DateTimeOffset time, long step)
    {
        _message = new ProtobufMessage()
            .Double(WallTime, (time - DateTimeOffset.UnixEpoch).TotalSeconds)
            .Integer(Step, step);
    }

    /// <summary>Makes it the first event of a file.</summary>
    public TensorBoardEvent WithVersion()
    {
        _message.Text(Version, FileVersion);
        return this;
    }

    /// <summary>Makes it the start of a session: readers forget earlier events from its step on.</summary>
    public TensorBoardEvent WithSessionStart()
    {
        _message.Message(SessionLog, new ProtobufMessage().Integer(SessionStatus, SessionStart));
        return this;
    }

    /// <summary>Adds scalars.</summary>
    public TensorBoardEvent WithScalars(IEnumerable<(string Tag, double Value)> scalars)
    {
        var summary = new ProtobufMessage();
        foreach ((string tag, double number) in scalars)
            summary.Message(SummaryValue, new ProtobufMessage().Text(ValueTag, tag).Single(ValueSimple, (float)number));
        _message.Message(Summary, summary);
        return this;
    }

    /// <summary>The record: length, its CRC, the message, its CRC; all in little endian.</summary>
    public byte[] ToRecord()
    {
        int length = _message.Written.Length;
        byte[] record = new byte[LengthBytes + CrcBytes + length + CrcBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(LengthBytes), MaskedCrc(record.AsSpan(0, LengthBytes)));
        Span<byte> message = record.AsSpan(LengthBytes + CrcBytes, length);
        _message.Written.CopyTo(message);
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
}
