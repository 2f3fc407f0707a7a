using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Fuzzing;

/// <summary>
/// Mutated files for every reader: a typed error, or the same values as an independent reader, in bounded memory and
/// time. Seeded; long with NATIVEAMP_EXHAUSTIVE=1.
/// </summary>
public class FileFuzzTests
{
    private const int Limit = 1 << 20;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    [Test]
    public void Safetensors_by_bytes() => Safetensors((good, random) => Fuzz.Mutate(good, random));

    [Test]
    public void Safetensors_by_header_text() =>
        Safetensors(
            (good, random) =>
            {
                int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(good);
                byte[] header = JsonMutation.Mutate(good[8..(8 + length)], random);
                byte[] prefix = new byte[8];
                BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
                return [.. prefix, .. header, .. good[(8 + length)..]];
            }
        );

    [Test]
    public void Checkpoints_with_their_digest_made_right_again()
    {
        string folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        try
        {
            Dictionary<string, string> facts = new() { ["seed"] = "1" };
            string path = Path.Combine(folder, "c");
            CheckpointFile.Write(path, new State { Floats = [1.5f, -2, 3], Longs = [7, 8] }.Items, facts);
            byte[] good = File.ReadAllBytes(path);
            int taken = 0;
            int refused = Run(
                random => WithDigest(random.Next(2) == 0 ? Fuzz.Mutate(good, random) : MutateData(good, random)),
                bytes =>
                {
                    File.WriteAllBytes(path, bytes);
                    var state = new State { Floats = [9, 9, 9], Longs = [5, 5] };
                    try
                    {
                        CheckpointFile.Read(path, state.Items, facts, new HashSet<string>());
                    }
                    catch (Exception e) when (e is DataFormatException or CheckpointException)
                    {
                        Assert.That(
                            (state.Floats, state.Longs),
                            Is.EqualTo((new float[] { 9, 9, 9 }, new long[] { 5, 5 })),
                            "refused, and changed all the same"
                        );
                        throw;
                    }

                    Dictionary<string, (string DType, long[] Shape, byte[] Bytes)> expected = IndependentSafetensors(
                        bytes
                    )!;
                    Assert.That(state.Floats.SelectMany(BitConverter.GetBytes), Is.EqualTo(expected["floats"].Bytes));
                    Assert.That(state.Longs.SelectMany(BitConverter.GetBytes), Is.EqualTo(expected["longs"].Bytes));
                    taken++;
                }
            );
            Assert.That((refused > 0, taken > 0), Is.EqualTo((true, true)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Idx_plain() => Images(content => content, (good, random) => Fuzz.Mutate(good, random));

    [Test]
    public void Idx_gzip_of_mutated() =>
        Images(
            content => content,
            (good, random) => Idx.Gzip(Fuzz.Mutate(good, random)) is { Length: > 0 } file ? file : [0]
        );

    [Test]
    public void Idx_gzip_by_bytes() => Images(Idx.Gzip, (good, random) => Fuzz.Mutate(good, random));

    [Test]
    public void Pairs_of_images_and_labels()
    {
        string folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        try
        {
            string images = Path.Combine(folder, "images");
            string labels = Path.Combine(folder, "labels");
            byte[] goodImages = Idx.Bytes([3, 4, 5], [.. Enumerable.Range(0, 60).Select(i => (byte)(i * 7))]);
            byte[] goodLabels = Idx.Bytes([3], [1, 0, 9]);
            int taken = 0;
            Run(
                random =>
                    random.Next(2) == 0
                        ? [0, .. Fuzz.Mutate(goodImages, random)]
                        : [1, .. Fuzz.Mutate(goodLabels, random)],
                bytes =>
                {
                    File.WriteAllBytes(images, bytes[0] == 0 ? bytes[1..] : goodImages);
                    File.WriteAllBytes(labels, bytes[0] == 1 ? bytes[1..] : goodLabels);
                    ImageDataset data = ImageDataset.Load(images, labels, classes: 10, new Normalization(0, 1));
                    (int[] shape, byte[] pixels) = IndependentIdx(File.ReadAllBytes(images))!.Value;
                    (_, byte[] classes) = IndependentIdx(File.ReadAllBytes(labels))!.Value;
                    Assert.That(
                        (data.Count, data.Height, data.Width),
                        Is.EqualTo(((long)shape[0], shape[1], shape[2]))
                    );
                    var batch = new Batch(data, 1);
                    for (int i = 0; i < Math.Min(4, data.Count); i++)
                    {
                        batch.Fill([i]);
                        float[] features = batch.Floats(0).ToArray();
                        Assert.That(batch.Integers(1)[0], Is.EqualTo(classes[i]));
                        Assert.That(
                            features,
                            Is.EqualTo(
                                pixels
                                    .AsSpan(i * features.Length, features.Length)
                                    .ToArray()
                                    .Select(pixel => (float)(pixel / 255.0))
                            )
                        );
                    }

                    taken++;
                }
            );
            Assert.That(taken, Is.Positive);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Texts()
    {
        byte[] good = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("the quick brown fox. ", 5)));
        int taken = 0;
        Run(
            random => Fuzz.Mutate(good, random),
            bytes =>
            {
                TextDataset data = TextDataset.Load(new MemoryStream(bytes), "text", context: 16);
                Assert.That(bytes, Has.Length.GreaterThan(16));
                var batch = new Batch(data, 1);
                batch.Fill([data.Count - 1], 3);
                int[] tokens = batch.Integers(0).ToArray(),
                    targets = batch.Integers(1).ToArray();
                byte[] window = [(byte)tokens[0], .. targets.Select(target => (byte)target)];
                Assert.That(bytes.AsSpan().IndexOf(window), Is.GreaterThanOrEqualTo(0), "what is no run of the text");
                Assert.That(targets[..15], Is.EqualTo(tokens[1..]));
                taken++;
            }
        );
        Assert.That(taken, Is.Positive);
    }

    private static void Safetensors(Func<byte[], Random, byte[]> mutate)
    {
        using var memory = new MemoryStream();
        var writer = new SafetensorsWriter(
            memory,
            [
                new("a.weight", SafetensorsDType.F32, [4, 5]),
                new("mask", SafetensorsDType.BOOL, [5]),
                new("packed", SafetensorsDType.F4, [2, 3]),
                new("steps", SafetensorsDType.I64, []),
                new("none", SafetensorsDType.F16, [0, 7]),
            ],
            new Dictionary<string, string> { ["format"] = "test" }
        );
        writer.Write([.. Enumerable.Range(0, 80 + 5 + 3 + 8).Select(i => (byte)(i * 11))]);
        byte[] good = memory.ToArray();
        int taken = 0;
        int refused = Run(
            random => mutate(good, random),
            bytes =>
            {
                using SafetensorsReader reader = SafetensorsReader.FromStream("x", new MemoryStream(bytes));
                Dictionary<string, (string DType, long[] Shape, byte[] Bytes)>? expected = IndependentSafetensors(
                    bytes
                );
                Assert.That(expected, Is.Not.Null, "no JSON of the right form");
                Assert.That(reader.Entries.Select(entry => entry.Name), Is.EquivalentTo(expected!.Keys));
                foreach (SafetensorsEntry entry in reader.Entries)
                {
                    byte[] read = new byte[entry.ByteLength];
                    reader.Read(entry, read);
                    (string dtype, long[] shape, byte[] data) = expected[entry.Name];
                    Assert.That((entry.DType.ToString(), entry.Shape), Is.EqualTo((dtype, shape)));
                    Assert.That(read, Is.EqualTo(data));
                    Assert.That(reader.Find(entry.Name), Is.SameAs(entry));
                }

                taken++;
            }
        );
        Assert.That((refused > 0, taken > 0), Is.EqualTo((true, true)));
    }

    private static void Images(Func<byte[], byte[]> pack, Func<byte[], Random, byte[]> mutate)
    {
        byte[] good = pack(Idx.Bytes([10, 6, 7], [.. Enumerable.Range(0, 420).Select(i => (byte)(i % 251))]));
        int taken = 0;
        int refused = Run(
            random => mutate(good, random),
            bytes =>
            {
                using IdxReader reader = IdxReader.FromStream("x", new MemoryStream(bytes));
                byte[] data = reader.ReadToEnd();
                byte[] content = bytes is [0x1F, 0x8B, ..]
                    ? GzipCommand.Gunzip(bytes)
                        ?? throw new AssertionException($"gzip refuses {Convert.ToHexString(bytes)}")
                    : bytes;
                (int[] shape, byte[] elements) =
                    IndependentIdx(content) ?? throw new AssertionException($"no IDX: {Convert.ToHexString(content)}");
                Assert.That(reader.Shape.ToArray(), Is.EqualTo(shape));
                Assert.That(data, Is.EqualTo(elements));
                taken++;
            }
        );
        Assert.That((refused > 0, taken > 0), Is.EqualTo((true, true)));
    }

    /// <summary>
    /// Feeds inputs to a reader. It may return, or refuse with a typed error; anything else fails, also too much memory
    /// or time.
    /// </summary>
    /// <returns>The number of refused inputs.</returns>
    private static int Run(Func<Random, byte[]> input, Action<byte[]> read)
    {
        var random = new Random(20_261_125);
        int refused = 0;
        for (int i = 0; i < Fuzz.Count; i++)
        {
            byte[] bytes = input(random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            try
            {
                read(bytes);
            }
            catch (Exception e) when (e is DataFormatException or CheckpointException)
            {
                refused++;
                Assert.That(e.Message, Is.Not.Empty);
            }
            catch (Exception e) when (e is not AssertionException)
            {
                Assert.Fail($"input {i}, {Convert.ToHexString(bytes)}: {e}");
            }

            Assert.That(
                GC.GetAllocatedBytesForCurrentThread() - before,
                Is.LessThan(Limit),
                $"input {i} took too much memory"
            );
            Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(Longest), $"input {i} took too long");
        }

        TestContext.Out.WriteLine($"{Fuzz.Count} inputs, {refused} refused");
        return refused;
    }

    private static byte[] MutateData(byte[] good, Random random)
    {
        byte[] mutated = [.. good];
        int header = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(good);
        mutated[random.Next(header, good.Length)] ^= (byte)(1 << random.Next(8));
        return mutated;
    }

    /// <summary>Corrects a checkpoint's own digest: SHA-256 of the file with the digest's 64 digits as zeros.</summary>
    private static byte[] WithDigest(byte[] file)
    {
        int at = file.AsSpan().IndexOf("\"sha256\":\""u8);
        if (at < 0 || at + 10 + 64 > file.Length)
            return file;
        byte[] right = [.. file];
        right.AsSpan(at + 10, 64).Fill((byte)'0');
        Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(right))).CopyTo(right, at + 10);
        return right;
    }

    /// <summary>
    /// An independent reader of safetensors files, from the format's description and System.Text.Json; null if it is
    /// not valid.
    /// </summary>
    private static Dictionary<string, (string DType, long[] Shape, byte[] Bytes)>? IndependentSafetensors(byte[] file)
    {
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file);
        if (length > (ulong)file.Length - 8)
            return null;
        byte[] data = file[(8 + (int)length)..];
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, (int)length));
        var tensors = new Dictionary<string, (string, long[], byte[])>();
        foreach (JsonProperty tensor in header.RootElement.EnumerateObject())
        {
            if (tensor.NameEquals("__metadata__"))
                continue;
            int[] offsets =
            [
                .. tensor.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt32()),
            ];
            tensors.Add(
                tensor.Name,
                (
                    tensor.Value.GetProperty("dtype").GetString()!,
                    [.. tensor.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())],
                    data[offsets[0]..offsets[1]]
                )
            );
        }

        return tensors;
    }

    /// <summary>An independent reader of IDX files of bytes; null if it is not valid.</summary>
    private static (int[] Shape, byte[] Elements)? IndependentIdx(byte[] file)
    {
        if (
            file.Length < 4
            || file[0] != 0
            || file[1] != 0
            || file[2] != 8
            || file[3] == 0
            || file.Length < 4 + 4 * file[3]
        )
            return null;
        int[] shape =
        [
            .. Enumerable.Range(0, file[3]).Select(i => BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(4 + 4 * i))),
        ];
        byte[] elements = file[(4 + 4 * shape.Length)..];
        return shape.Aggregate(1L, (product, size) => product * size) == elements.Length ? (shape, elements) : null;
    }

    private sealed class State
    {
        public float[] Floats { get; set; } = [];

        public long[] Longs { get; set; } = [];

        public CheckpointItem[] Items =>
            [
                CheckpointItem.Floats(
                    "floats",
                    [Floats.Length],
                    values => Floats.CopyTo(values),
                    values => Floats = values.ToArray()
                ),
                CheckpointItem.Integers("longs", Longs.Length, () => Longs, values => Longs = values),
            ];
    }
}
