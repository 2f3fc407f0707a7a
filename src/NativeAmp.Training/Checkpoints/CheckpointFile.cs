using System.Security.Cryptography;
using System.Text;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// One checkpoint: a safetensors file with a SHA-256 of itself (the digest's digits taken as zeros) in its metadata, so that a
/// damaged one is never mistaken for a good one. Any safetensors reader opens it.
/// </summary>
internal static class CheckpointFile
{
    private const string DigestKey = "sha256";
    private const int DigestDigits = 64;
    private const string FormatKey = "format";
    private const string Format = "nativeamp-checkpoint-1";

    // The digest is the header's first value, so that its place is known.
    private static readonly byte[] HeaderStart = Encoding.ASCII.GetBytes($$"""{"__metadata__":{"{{DigestKey}}":" """.TrimEnd());
    private static readonly byte[] Zeros = Encoding.ASCII.GetBytes(new string('0', DigestDigits));

    private static int DigestOffset => SafetensorsHeader.PrefixLength + HeaderStart.Length;

    /// <summary>Writes a checkpoint in one atomic step.</summary>
    /// <param name="path">The file.</param>
    /// <param name="items">Everything there is to save, by unique name.</param>
    /// <param name="facts">Facts of the run that loading compares.</param>
    public static void Write(string path, IReadOnlyList<CheckpointItem> items, IReadOnlyDictionary<string, string> facts)
    {
        var metadata = new OrderedDictionary<string, string>
        {
            [DigestKey] = Encoding.ASCII.GetString(Zeros),
            [FormatKey] = Format,
        };
        foreach ((string key, string value) in facts)
            metadata.Add(key, value);

        AtomicFile.Write(path, file =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var hashed = new HashingStream(file, hash);
            var writer = new SafetensorsWriter(hashed, items.Select(item => item.Entry), metadata);
            byte[] buffer = [];
            foreach (CheckpointItem item in items)
            {
                int length = checked((int)item.Entry.ByteLength);
                if (buffer.Length < length)
                    buffer = GC.AllocateUninitializedArray<byte>(length);
                item.Save(buffer.AsSpan(0, length));
                writer.Write(buffer.AsSpan(0, length));
            }

            writer.Complete();
            file.Position = DigestOffset;
            file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset())));
        });
    }

    /// <summary>Loads a checkpoint. Everything is read and checked before anything is changed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="items">What to load into.</param>
    /// <param name="facts">Facts of the run that must be the same.</param>
    /// <exception cref="DataFormatException">The file is damaged or no checkpoint.</exception>
    /// <exception cref="CheckpointException">It is one of another model or run.</exception>
    public static void Read(string path, IReadOnlyList<CheckpointItem> items, IReadOnlyDictionary<string, string> facts)
    {
        using FileStream stream = File.OpenRead(path);
        VerifyDigest(path, stream);
        stream.Position = 0;
        using SafetensorsReader reader = SafetensorsReader.FromStream(path, stream);
        List<string> problems = Compare(reader, items, facts);
        if (problems.Count > 0)
            throw new CheckpointException(path, problems);

        byte[][] staged = new byte[items.Count][];
        for (int i = 0; i < items.Count; i++)
        {
            SafetensorsEntry entry = reader.Find(items[i].Entry.Name)!;
            staged[i] = GC.AllocateUninitializedArray<byte>(checked((int)entry.ByteLength));
            reader.Read(entry, staged[i]);
            if (items[i].Check?.Invoke(staged[i]) is { } problem)
                throw new CheckpointException(path, [problem]);
        }

        for (int i = 0; i < items.Count; i++)
            items[i].Load(staged[i]);
    }

    private static void VerifyDigest(string path, FileStream stream)
    {
        byte[] header = SafetensorsReader.ReadHeader(path, stream);
        Span<byte> digest = header.AsSpan(Math.Min(HeaderStart.Length, header.Length));
        if (!header.AsSpan().StartsWith(HeaderStart) || digest.Length < DigestDigits)
            throw new DataFormatException(path, SafetensorsHeader.PrefixLength, "a header without a digest", "a checkpoint of NativeAmp");
        string said = Encoding.ASCII.GetString(digest[..DigestDigits]);
        Zeros.CopyTo(digest);

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(BitConverter.GetBytes((ulong)header.Length));
        hash.AppendData(header);
        byte[] buffer = new byte[1 << 16];
        for (int read; (read = stream.Read(buffer)) > 0;)
            hash.AppendData(buffer, 0, read);
        string computed = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (computed != said)
            throw new DataFormatException(path, DigestOffset, $"content with SHA-256 {computed}",
                $"{said}, as the file says: it is damaged");
    }

    private static List<string> Compare(SafetensorsReader reader, IReadOnlyList<CheckpointItem> items,
        IReadOnlyDictionary<string, string> facts)
    {
        List<string> problems = [];
        if (reader.Metadata.GetValueOrDefault(FormatKey) is var format && format != Format)
            problems.Add($"its format is '{format}', not '{Format}'");
        foreach ((string key, string value) in facts)
        {
            if (reader.Metadata.GetValueOrDefault(key) is var saved && saved != value)
                problems.Add($"{key} was {saved ?? "not given"} and is now {value}");
        }

        HashSet<string> wanted = [];
        foreach (SafetensorsEntry entry in items.Select(item => item.Entry))
        {
            wanted.Add(entry.Name);
            SafetensorsEntry? found = reader.Find(entry.Name);
            if (found is null)
                problems.Add($"{entry.Name} is missing");
            else if (found.DType != entry.DType || !found.Shape.SequenceEqual(entry.Shape))
                problems.Add($"{entry.Name} is {Describe(found)}, not {Describe(entry)}");
        }

        problems.AddRange(reader.Entries.Where(entry => !wanted.Contains(entry.Name)).Select(entry => $"{entry.Name} is unexpected"));
        return problems;
    }

    private static string Describe(SafetensorsEntry entry) => $"{entry.DType} [{string.Join(", ", entry.Shape)}]";

    /// <summary>Passes writes on and hashes them on the way.</summary>
    private sealed class HashingStream(Stream inner, IncrementalHash hash) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.AppendData(buffer);
            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
