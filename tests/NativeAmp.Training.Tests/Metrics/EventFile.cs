using System.Text;

namespace NativeAmp.Training.Tests.Metrics;

/// <summary>
/// A reader of event files after the formats' descriptions: TFRecord (tensorflow.org/tutorials/load_data/tfrecord),
/// the protobuf encoding (protobuf.dev/programming-guides/encoding), event.proto and summary.proto. It shares no
/// code with the writer.
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
        ILookup<int, byte[]> fields = Fields(message);
        return new Event(
            BitConverter.ToDouble(fields[1].Single()),
            BitConverter.ToInt64(fields[2].Single()),
            fields[3].Select(Encoding.UTF8.GetString).SingleOrDefault(),
            fields[7].Any(log => Fields(log)[1].Any(status => status[0] == 1)),
            [
                .. fields[5]
                    .SelectMany(summary => Fields(summary)[1])
                    .Select(Fields)
                    .Select(value =>
                        (Encoding.UTF8.GetString(value[1].Single()), BitConverter.ToSingle(value[2].Single()))
                    ),
            ]
        );
    }

    private static ILookup<int, byte[]> Fields(byte[] message)
    {
        List<(int Number, byte[] Value)> fields = [];
        int at = 0;
        while (at < message.Length)
        {
            ulong key = Varint();
            int size = (key & 7) switch
            {
                1 => 8,
                5 => 4,
                2 => (int)Varint(),
                _ => -1,
            };
            byte[] value = size < 0 ? BitConverter.GetBytes(Varint()) : message[at..(at + size)];
            at += Math.Max(0, size);
            fields.Add(((int)(key >> 3), value));
        }

        return fields.ToLookup(field => field.Number, field => field.Value);

        ulong Varint()
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte next = message[at++];
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                    return value;
            }
        }
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
