using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Data;

/// <summary>
/// gzip files against gzip(1): the reader accepts the same files with the same content, and refuses the same files.
/// </summary>
public class GzipReaderTests
{
    private static readonly byte[] Content = [.. Enumerable.Range(0, 70_000).Select(i => (byte)(i * i % 251))];

    [Test]
    public void The_crc_is_that_of_the_standard()
    {
        // The check value of RFC 1952's CRC-32 in every catalog of CRCs.
        var crc = new Crc32();
        crc.Append("1234"u8);
        crc.Append("56789"u8);
        Assert.That(crc.Value, Is.EqualTo(0xCBF43926));
        Assert.That(new Crc32().Value, Is.Zero);
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(70_000)]
    public void Members_one_after_the_other_are_one_content(int length)
    {
        byte[] one = Gzip(Content[..length]);
        byte[] two = Gzip(Content[..(length / 2)]);
        Assert.That(
            Read([.. one, .. two, .. one]),
            Is.EqualTo((byte[])[.. Content[..length], .. Content[..(length / 2)], .. Content[..length]])
        );
    }

    [Test]
    public void Members_end_far_before_the_file_does()
    {
        // Random bytes, which do not compress: members of 200 kB each.
        byte[] content = new byte[200_000];
        new Random(1).NextBytes(content);
        byte[] member = Idx.Gzip(content);
        Assert.That(
            Read([.. member, .. member, .. member, .. new byte[100_000]]),
            Is.EqualTo((byte[])[.. content, .. content, .. content])
        );
        member[100_000] ^= 1;
        Assert.Throws<DataFormatException>(() => Read([.. member, .. Idx.Gzip(content)]));
    }

    [Test]
    public void Headers_with_every_optional_field_are_read()
    {
        byte[] plain = Idx.Gzip(Content);
        byte[] fields =
        [
            0x1F,
            0x8B,
            8,
            0b11111,
            .. plain[4..10],
            3,
            0,
            1,
            2,
            3,
            (byte)'n',
            0,
            (byte)'c',
            0,
            0xAB,
            0xCD,
        ];
        Assert.That(Read([.. fields, .. plain[10..]]), Is.EqualTo(Content));
    }

    [Test]
    public void What_follows_and_is_no_member_is_ignored()
    {
        byte[] good = Idx.Gzip(Content);
        Assert.That(Read([.. good, .. new byte[512]]), Is.EqualTo(Content));
        Assert.That(Read([.. good, 0]), Is.EqualTo(Content));
        Assert.Throws<DataFormatException>(() => Read([.. good, 1]), "gzip(1) waits for a second byte");
        Assert.That(Read([.. good, .. "garbage"u8]), Is.EqualTo(Content));
    }

    [Test]
    public void Any_cut_and_any_wrong_byte_of_the_end_is_refused()
    {
        byte[] good = Idx.Gzip(Content);
        for (int cut = 1; cut <= 40; cut++)
            Assert.Throws<DataFormatException>(() => Read(good[..^cut]), $"{cut} bytes cut");
        for (int at = 1; at <= 8; at++)
        {
            byte[] wrong = [.. good];
            wrong[^at] ^= 4;
            Assert.Throws<DataFormatException>(() => Read(wrong), $"byte {at} from the end");
        }
    }

    [Test]
    public void A_wrong_pixel_is_found_though_the_end_is_cut_as_well()
    {
        // One stored block: uncompressed content. .NET's own stream accepts files with 5 to 8 bytes cut.
        using var memory = new MemoryStream();
        using (
            var gzip = new System.IO.Compression.GZipStream(
                memory,
                System.IO.Compression.CompressionLevel.NoCompression
            )
        )
            gzip.Write(Idx.Bytes([2, 3], [1, 2, 3, 4, 5, 6]));
        byte[] wrong = memory.ToArray();
        wrong[^9] ^= 1;
        for (int cut = 0; cut <= 9; cut++)
        {
            byte[] file = wrong[..^cut];
            Assert.Throws<DataFormatException>(
                () =>
                {
                    using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(file));
                    reader.ReadToEnd();
                },
                $"{cut} bytes cut"
            );
            Assert.Throws<DataFormatException>(
                () =>
                {
                    using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(file));
                    reader.Read(new byte[6]);
                },
                $"{cut} bytes cut, read by parts"
            );
        }
    }

    [Test]
    [Platform(Include = "Linux")]
    public void Mutated_files_are_read_as_gzip_reads_them_or_refused()
    {
        var random = new Random(20_261_125);
        byte[][] goods =
        [
            Idx.Gzip(Content[..600]),
            Gzip([]),
            [.. Idx.Gzip(Content[..100]), .. Idx.Gzip(Content[..50])],
        ];
        int taken = 0;
        for (int i = 0; i < Fuzzing.Fuzz.Count; i++)
        {
            byte[] file = Fuzzing.Fuzz.Mutate(goods[i % goods.Length], random);
            byte[] content;
            try
            {
                content = Read(file);
            }
            catch (DataFormatException)
            {
                continue;
            }

            taken++;
            Assert.That(content, Is.EqualTo(GzipCommand.Gunzip(file)), $"mutation {i}: {Convert.ToHexString(file)}");
        }

        Assert.That(taken, Is.Positive);
    }

    // .NET writes nothing at all without content.
    private static byte[] Gzip(byte[] content) =>
        content.Length > 0 ? Idx.Gzip(content) : [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, .. new byte[8]];

    private static byte[] Read(byte[] file)
    {
        if (!GzipReader.IsGzip(new MemoryStream(file)))
            throw new DataFormatException("x", 0, "something else", "gzip");
        using var reader = new GzipReader("x", new MemoryStream(file));
        using var content = new MemoryStream();
        reader.CopyTo(content);
        return content.ToArray();
    }
}
