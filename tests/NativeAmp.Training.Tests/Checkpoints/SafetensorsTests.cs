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
            new("weight \"ü\"", SafetensorsDType.F32, [2, 3]),
            new("half", SafetensorsDType.F16, [4]),
            new("brain", SafetensorsDType.BF16, [1]),
            new("none", SafetensorsDType.F32, [0, 7]),
            new("int", SafetensorsDType.I32, []),
            new("long", SafetensorsDType.I64, [1]),
            new("byte", SafetensorsDType.U8, [3]),
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
        byte[] file = File(
            """{"__metadata__":{"a":"b"},"y":{"shape":[],"data_offsets":[8,12],"dtype":"F32"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""",
            MemoryMarshal.AsBytes<float>(values)
        );
        using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(file));
        byte[] y = new byte[4];
        reader.Read(reader.Find("y")!, y);
        Assert.That(BitConverter.ToSingle(y), Is.EqualTo(3f));
        Assert.That(reader.Entries.Select(entry => entry.Name), Is.EqualTo(new[] { "x", "y" }));
    }

    // Sizes in bits, from the format's own list.
    [TestCase("BOOL", 8)]
    [TestCase("U8", 8)]
    [TestCase("I8", 8)]
    [TestCase("F8_E4M3", 8)]
    [TestCase("F8_E5M2", 8)]
    [TestCase("F8_E8M0", 8)]
    [TestCase("F8_E4M3FNUZ", 8)]
    [TestCase("F8_E5M2FNUZ", 8)]
    [TestCase("I16", 16)]
    [TestCase("U16", 16)]
    [TestCase("F16", 16)]
    [TestCase("BF16", 16)]
    [TestCase("I32", 32)]
    [TestCase("U32", 32)]
    [TestCase("F32", 32)]
    [TestCase("F64", 64)]
    [TestCase("I64", 64)]
    [TestCase("U64", 64)]
    [TestCase("C64", 64)]
    [TestCase("F4", 4)]
    [TestCase("F6_E2M3", 6)]
    [TestCase("F6_E3M2", 6)]
    public void A_tensor_of_any_type_is_listed_and_its_bytes_are_read_beside_float_ones(string dtype, int bits)
    {
        byte[] data = [.. Enumerable.Range(0, bits).Select(i => (byte)(i * 37 + 5))]; // eight elements
        byte[] file = File(
            $$$"""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"{{{dtype}}}","shape":[2,4],"data_offsets":[4,{{{4 + bits}}}]}}""",
            [0, 0, 0xC0, 0x3F, .. data]
        );
        using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(file));
        SafetensorsEntry entry = reader.Find("x")!;
        Assert.That((entry.DType.ToString(), entry.ByteLength), Is.EqualTo((dtype, (long)bits)));
        byte[] read = new byte[bits];
        reader.Read(entry, read);
        Assert.That(read, Is.EqualTo(data));
        byte[] a = new byte[4];
        reader.Read(reader.Find("a")!, a);
        Assert.That(BitConverter.ToSingle(a), Is.EqualTo(1.5f));
    }

    [TestCase("""{"x":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, TestName = "Half_a_byte")]
    [TestCase("""{"x":{"dtype":"1","shape":[1],"data_offsets":[0,4]}}""", 4, TestName = "A_number_for_a_type")]
    [TestCase("""{"x":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}""", 4, TestName = "A_type_in_small_letters")]
    [TestCase("""{"__metadata__":{},"__metadata__":{}}""", 0, TestName = "Metadata_twice")]
    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, TestName = "Data_too_short")]
    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, TestName = "Data_too_long")]
    [TestCase("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, TestName = "Shape_and_offsets_disagree")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, TestName = "A_gap")]
    [TestCase(
        """{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""",
        6,
        TestName = "An_overlap"
    )]
    [TestCase(
        """{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""",
        8,
        TestName = "A_name_twice"
    )]
    [TestCase("""{"x":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}""", 4, TestName = "An_unknown_type")]
    [TestCase("""{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, TestName = "A_negative_size")]
    [TestCase("""{"x":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, TestName = "A_fractional_size")]
    [TestCase(
        """{"x":{"dtype":"F32","shape":[4294967296,4294967296,4294967296,0],"data_offsets":[0,0]}}""",
        0,
        TestName = "A_huge_product"
    )]
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
    public void A_header_of_many_tensors_takes_memory_of_its_own_size()
    {
        // 100,000 empty tensors: 5.5 MB of header.
        string header =
            "{"
            + string.Join(
                ',',
                Enumerable
                    .Range(0, 100_000)
                    .Select(i => $$$"""{{{'"'}}}t{{{i:D6}}}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}""")
            )
            + "}";
        byte[] file = File(header, []);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(file));
        long live = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.That(reader.Find("t099999"), Is.Not.Null);
        Assert.That(reader.Find("t100000"), Is.Null);
        Assert.That(live, Is.LessThan(3L * file.Length));
    }

    [Test]
    [Platform(Include = "Linux")]
    public void Files_that_are_none_give_a_typed_error_and_pipes_are_read()
    {
        foreach (
            string path in (string[])["/proc/self/maps", "/dev/zero", "/dev/null", "/tmp", "/proc/self/mem", "/nowhere"]
        )
            Assert.That(
                () => SafetensorsReader.Open(path),
                Throws.InstanceOf<DataFormatException>().Or.InstanceOf<IOException>(),
                path
            );
        Assert.That(
            Assert.Throws<DataFormatException>(() => SafetensorsReader.Open("/tmp")).Found,
            Is.EqualTo("a folder")
        );

        byte[] file = File("""{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", [7, 8]);
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.Out);
        pipe.Write(file);
        string name = $"/proc/self/fd/{pipe.GetClientHandleAsString()}";
        var open = Task.Run(() => SafetensorsReader.Open(name));
        Thread.Sleep(50); // either order is right
        pipe.DisposeLocalCopyOfClientHandle();
        pipe.Dispose();
        using SafetensorsReader reader = open.Result;
        byte[] read = new byte[2];
        reader.Read(reader.Find("x")!, read);
        Assert.That(read, Is.EqualTo(new byte[] { 7, 8 }));
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
        var writer = new SafetensorsWriter(
            memory,
            [
                new("a.weight", SafetensorsDType.F32, [4, 5]),
                new("a.bias", SafetensorsDType.F16, [5]),
                new("steps", SafetensorsDType.I64, [1]),
            ],
            new Dictionary<string, string> { ["format"] = "test" }
        );
        writer.Write(new byte[98]);
        int refused = Fuzz.Run(
            memory.ToArray(),
            bytes =>
            {
                using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(bytes));
                foreach (SafetensorsEntry entry in reader.Entries)
                    reader.Read(entry, new byte[entry.ByteLength]);
            },
            allocationLimit: 1 << 18
        );
        Assert.That(refused, Is.InRange(Fuzz.Count / 2, Fuzz.Count));
    }

    private static byte[] File(string header, ReadOnlySpan<byte> data)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, Encoding.UTF8.GetByteCount(header));
        return [.. prefix, .. Encoding.UTF8.GetBytes(header), .. data];
    }
}
