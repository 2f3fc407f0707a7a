using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Fuzzing;

namespace NativeAmp.Training.Tests.Checkpoints;

public class SafetensorsTests
{
    [Test]
    public void Reads_what_it_writes()
    {
        SafetensorsEntry[] entries =
        [
            new("weight \"ü\"", SafetensorsDType.F32, [2, 3]), new("half", SafetensorsDType.F16, [4]),
            new("brain", SafetensorsDType.BF16, [1]), new("none", SafetensorsDType.F32, [0, 7]),
            new("int", SafetensorsDType.I32, []), new("long", SafetensorsDType.I64, [1]), new("byte", SafetensorsDType.U8, [3]),
        ];
        byte[] data = new byte[24 + 8 + 2 + 0 + 4 + 8 + 3];
        new Random(1).NextBytes(data);
        using var memory = new MemoryStream();
        var writer = new SafetensorsWriter(memory, entries, new Dictionary<string, string> { ["who"] = "test" });
        writer.Write(data.AsSpan(0, 10));
        Assert.Throws<InvalidOperationException>(writer.Complete);
        writer.Write(data.AsSpan(10));
        writer.Complete();
        Assert.Throws<ArgumentException>(() => writer.Write([1]));

        using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(memory.ToArray()));
        Assert.That(reader.Metadata["who"], Is.EqualTo("test"));
        List<byte> read = [];
        foreach (SafetensorsEntry entry in entries)
        {
            SafetensorsEntry found = reader.Find(entry.Name)!;
            Assert.That((found.DType, found.Shape), Is.EqualTo((entry.DType, entry.Shape)));
            byte[] bytes = new byte[found.ByteLength];
            reader.Read(found, bytes);
            read.AddRange(bytes);
        }

        Assert.That(read, Is.EqualTo(data));
        Assert.That(reader.Find("absent"), Is.Null);
    }

    [Test]
    public void Reads_the_formats_own_example()
    {
        // Written out by hand from the format's description.
        float[] values = [1, 2, 3];
        byte[] file = File("""{"__metadata__":{"a":"b"},"y":{"shape":[],"data_offsets":[8,12],"dtype":"F32"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""",
            MemoryMarshal.AsBytes<float>(values));
        using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(file));
        byte[] y = new byte[4];
        reader.Read(reader.Find("y")!, y);
        Assert.That(BitConverter.ToSingle(y), Is.EqualTo(3f));
        Assert.That(reader.Entries.Select(entry => entry.Name), Is.EqualTo(new[] { "x", "y" }));
    }

    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, TestName = "Data_too_short")]
    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, TestName = "Data_too_long")]
    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, TestName = "Shape_and_offsets_disagree")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, TestName = "A_gap")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6, TestName = "An_overlap")]
    [TestCase("""{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", 8, TestName = "A_name_twice")]
    [TestCase("""{"x":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}""", 4, TestName = "An_unknown_type")]
    [TestCase("""{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, TestName = "A_negative_size")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, TestName = "A_fractional_size")]
    [TestCase("""{"x":{"dtype":"F32","shape":[4294967296,4294967296,4294967296,0],"data_offsets":[0,0]}}""", 0, TestName = "A_huge_product")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}}""", 4, TestName = "An_unknown_key")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1]}}""", 4, TestName = "No_offsets")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}""", 4, TestName = "Offsets_backwards")]
    [TestCase("""{"__metadata__":{"a":1}}""", 0, TestName = "Metadata_of_numbers")]
    [TestCase("""[]""", 0, TestName = "No_object")]
    [TestCase("""{} {}""", 0, TestName = "Two_objects")]
    [TestCase("""{"x":""", 0, TestName = "Half_an_object")]
    [TestCase("not JSON", 0, TestName = "No_JSON")]
    public void Refuses(string header, int dataLength)
    {
        byte[] file = File(header, new byte[dataLength]);
        var e = Assert.Throws<DataFormatException>(() => SafetensorsReader.FromStream("model", new MemoryStream(file)));
        Assert.That(e.Message, Does.StartWith("model: at byte "));
    }

    [Test]
    public void A_header_longer_than_the_file_costs_nothing()
    {
        foreach (ulong length in (ulong[])[0, 1, 1000, 99_000_000, 200_000_000, ulong.MaxValue, long.MaxValue])
        {
            byte[] file = new byte[64];
            BinaryPrimitives.WriteUInt64LittleEndian(file, length);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Throws<DataFormatException>(() => SafetensorsReader.FromStream("x", new MemoryStream(file)));
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 16));
        }
    }

    [Test]
    public void Writing_refuses_names_twice_and_impossible_shapes()
    {
        var x = new SafetensorsEntry("x", SafetensorsDType.U8, [1]);
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(Stream.Null, [x, x]));
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(Stream.Null, [x with { Name = "__metadata__" }]));
        Assert.Throws<ArgumentException>(() => new SafetensorsEntry("x", SafetensorsDType.F32, [-1]));
        Assert.Throws<ArgumentException>(() => new SafetensorsEntry("x", SafetensorsDType.F32, [long.MaxValue]));
    }

    [Test]
    public void Mutations_give_a_typed_error_or_an_answer()
    {
        using var memory = new MemoryStream();
        var writer = new SafetensorsWriter(memory,
        [
            new("a.weight", SafetensorsDType.F32, [4, 5]), new("a.bias", SafetensorsDType.F16, [5]), new("steps", SafetensorsDType.I64, [1]),
        ], new Dictionary<string, string> { ["format"] = "test" });
        writer.Write(new byte[98]);
        int refused = Fuzz.Run(memory.ToArray(), bytes =>
        {
            using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(bytes));
            foreach (SafetensorsEntry entry in reader.Entries)
                reader.Read(entry, new byte[entry.ByteLength]);
        }, allocationLimit: 1 << 18);
        Assert.That(refused, Is.InRange(Fuzz.Count / 2, Fuzz.Count));
    }

    private static byte[] File(string header, ReadOnlySpan<byte> data)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, Encoding.UTF8.GetByteCount(header));
        return [.. prefix, .. Encoding.UTF8.GetBytes(header), .. data];
    }
}
