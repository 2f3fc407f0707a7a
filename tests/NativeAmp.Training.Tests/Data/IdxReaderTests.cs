using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Fuzzing;

namespace NativeAmp.Training.Tests.Data;

public class IdxReaderTests
{
    private static readonly byte[] Pixels = Enumerable.Range(0, 60).Select(i => (byte)(i * 7)).ToArray();

    [TestCase(false)]
    [TestCase(true)]
    public void Reads_what_was_written(bool gzip)
    {
        byte[] file = Idx.Bytes([3, 4, 5], Pixels);
        using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(gzip ? Idx.Gzip(file) : file));
        Assert.That(reader.Shape.ToArray(), Is.EqualTo(new[] { 3, 4, 5 }));
        byte[] first = new byte[20];
        reader.Read(first);
        Assert.That(first, Is.EqualTo(Pixels[..20]));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(new byte[41]));
    }

    [Test]
    public void Reads_large_content_past_its_first_buffer()
    {
        byte[] data = new byte[200_000];
        new Random(1).NextBytes(data);
        using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(Idx.Gzip(Idx.Bytes([200, 1000], data))));
        Assert.That(reader.ReadToEnd(), Is.EqualTo(data));
    }

    [Test]
    public void An_error_names_file_offset_found_and_expected()
    {
        byte[] file = Idx.Bytes([3, 4, 5], Pixels)[..70];
        var e = Assert.Throws<DataFormatException>(() => IdxReader.FromStream("images", new MemoryStream(file)));
        Assert.That(
            e.Message,
            Is.EqualTo("images: at byte 70: found a file of 70 bytes, expected 76, as its header [3, 4, 5] says.")
        );
        Assert.That((e.File, e.Offset), Is.EqualTo(("images", 70L)));
    }

    [Test]
    public void Refuses_other_types_ranks_and_lengths()
    {
        byte[] good = Idx.Bytes([3, 4, 5], Pixels);
        Refused(good.Select((b, i) => i == 0 ? (byte)1 : b), 0);
        Refused(good.Select((b, i) => i == 2 ? (byte)0x0D : b), 2);
        Refused(good.Select((b, i) => i == 3 ? (byte)0 : b), 3);
        Refused(good.Select((b, i) => i == 3 ? (byte)200 : b), 3);
        Refused(good.Select((b, i) => i == 4 ? (byte)0xFF : b), 4);
        Refused(good.Append((byte)0), 76);
        Refused(good.Take(3), 3);

        static void Refused(IEnumerable<byte> file, long offset)
        {
            var e = Assert.Throws<DataFormatException>(() => IdxReader.FromStream("x", new MemoryStream([.. file])));
            Assert.That(e.Offset, Is.EqualTo(offset));
        }
    }

    [Test]
    public void A_small_gzip_file_cannot_promise_gigabytes()
    {
        byte[] bomb = Idx.Gzip(Idx.Bytes([2_000_000_000], []));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<DataFormatException>(() => IdxReader.FromStream("x", new MemoryStream(bomb)));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void A_gzip_file_must_hold_exactly_what_its_header_says()
    {
        byte[] data = new byte[300];
        Read([3, 100], data);
        Assert.Throws<DataFormatException>(() => Read([4, 100], data));
        Assert.Throws<DataFormatException>(() => Read([2, 100], data));

        static byte[] Read(int[] shape, byte[] data)
        {
            using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(Idx.Gzip(Idx.Bytes(shape, data))));
            return reader.ReadToEnd();
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Mutations_give_a_typed_error_or_an_answer(bool gzip)
    {
        byte[] file = Idx.Bytes([30, 28, 28], Enumerable.Range(0, 30 * 784).Select(i => (byte)(i % 251)).ToArray());
        byte[] good = gzip ? Idx.Gzip(file) : file;
        int refused = Fuzz.Run(
            good,
            bytes =>
            {
                using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(bytes));
                byte[] data = reader.ReadToEnd();
                Assert.That(data, Has.Length.EqualTo(reader.Count));
            },
            allocationLimit: 1 << 20
        );
        Assert.That(refused, Is.InRange(Fuzz.Count / 10, Fuzz.Count), "mutations that hit nothing test nothing");
    }
}
