using Google.Protobuf;

namespace NativeAmp.Training.Tests.Metrics;

/// <summary>
/// Reads event files: TFRecord after its description (tensorflow.org/tutorials/load_data/tfrecord), messages by
/// Google's own library, with the numbers of event.proto and summary.proto. It shares no code with the writer.
/// </summary>
internal static class EventFile
{
    public sealed record Event(
        double WallTime,
        long Step,
        string? Version,
        bool IsSessionStart,
        (string Tag, float Value)[] Scalars
    );

    public static IEnumerable<Event> Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        for (int at = 0; at < bytes.Length; )
        {
            int length = (int)BitConverter.ToUInt64(bytes, at);
            Assert.That(BitConverter.ToUInt32(bytes, at + 8), Is.EqualTo(Masked(bytes.AsSpan(at, 8))));
            byte[] message = bytes.AsSpan(at + 12, length).ToArray();
            Assert.That(BitConverter.ToUInt32(bytes, at + 12 + length), Is.EqualTo(Masked(message)));
            at += 16 + length;
            yield return Parse(message);
        }
    }

    private static Event Parse(byte[] message)
    {
        var found = new Event(0, 0, null, false, []);
        ForEachField(
            message,
            (field, input) =>
                found = field switch
                {
                    1 => found with { WallTime = input.ReadDouble() },
                    2 => found with { Step = input.ReadInt64() },
                    3 => found with { Version = input.ReadString() },
                    5 => found with { Scalars = Scalars(input.ReadBytes().ToByteArray()) },
                    7 => found with { IsSessionStart = Status(input.ReadBytes().ToByteArray()) == 1 },
                    _ => throw new InvalidDataException($"An event has no field {field}."),
                }
        );
        return found;
    }

    private static (string Tag, float Value)[] Scalars(byte[] summary)
    {
        List<(string, float)> scalars = [];
        ForEachField(
            summary,
            (_, input) =>
            {
                (string Tag, float Value) scalar = default;
                ForEachField(
                    input.ReadBytes().ToByteArray(),
                    (field, value) =>
                        scalar = field switch
                        {
                            1 => scalar with { Tag = value.ReadString() },
                            2 => scalar with { Value = value.ReadFloat() },
                            _ => throw new InvalidDataException($"A scalar has no field {field}."),
                        }
                );
                scalars.Add(scalar);
            }
        );
        return [.. scalars];
    }

    private static int Status(byte[] sessionLog)
    {
        int status = 0;
        ForEachField(sessionLog, (_, input) => status = input.ReadEnum());
        return status;
    }

    private static void ForEachField(byte[] message, Action<int, CodedInputStream> read)
    {
        var input = new CodedInputStream(message);
        for (uint tag; (tag = input.ReadTag()) != 0; )
            read(WireFormat.GetTagFieldNumber(tag), input);
    }

    // Castagnoli's polynomial, reflected, a bit at a time.
    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        uint crc = 0xFFFFFFFF;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }

        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
    }
}
