using System.Security.Cryptography;
using System.Text;
using NativeAmp.Interop;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// One checkpoint: a safetensors file with its own SHA-256 in its metadata, so that a damaged file is never taken for a
/// good one. The digest is computed with zeros in its own place. Any safetensors reader opens the file.
/// </summary>
internal static class CheckpointFile
{
    private const string DigestKey = "sha256";
    private const int DigestDigits = 64;
    private const string FormatKey = "format";
    private const string Format = "nativeamp-checkpoint-1";

    // The digest is the header's first value, so that its place is known.
    private static readonly byte[] HeaderStart = Encoding.ASCII.GetBytes(
        $$"""{"__metadata__":{"{{DigestKey}}":" """.TrimEnd()
    );
    private static readonly byte[] Zeros = Encoding.ASCII.GetBytes(new string('0', DigestDigits));

    private static int DigestOffset => SafetensorsHeader.PrefixLength + HeaderStart.Length;

    /// <summary>Writes a checkpoint in one atomic step.</summary>
    /// <param name="path">The file.</param>
    /// <param name="items">The items to save, by unique name.</param>
    /// <param name="facts">Facts of the run, which are compared on loading.</param>
    public static void Write(
        string path,
        IReadOnlyList<CheckpointItem> items,
        IReadOnlyDictionary<string, string> facts
    )
    {
        var metadata = new OrderedDictionary<string, string>
        {
            [DigestKey] = Encoding.ASCII.GetString(Zeros),
            [FormatKey] = Format,
        };
        foreach ((string key, string value) in facts)
            metadata.Add(key, value);

        AtomicFile.Write(
            path,
            file =>
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
            }
        );
    }

    /// <summary>
    /// Loads a checkpoint. The file is read once, so that the digest covers the bytes that are loaded. Everything is
    /// checked before anything is changed.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="items">The items to load.</param>
    /// <param name="facts">Facts of the run.</param>
    /// <param name="mayChange">Names of facts that may differ from the checkpoint's.</param>
    /// <returns>Descriptions of the facts that differ.</returns>
    /// <exception cref="DataFormatException">The file is damaged, or is not a checkpoint.</exception>
    /// <exception cref="IOException">It cannot be opened or read.</exception>
    /// <exception cref="CheckpointException">The checkpoint belongs to another model or run.</exception>
    public static IReadOnlyList<string> Read(
        string path,
        IReadOnlyList<CheckpointItem> items,
        IReadOnlyDictionary<string, string> facts,
        IReadOnlySet<string> mayChange
    )
    {
        List<string> changes = [];
        Load(path, items, header => Compare(header, items, facts, mayChange, changes));
        return changes;
    }

    /// <summary>Loads the model of a checkpoint, of any run, and nothing else.</summary>
    /// <exception cref="DataFormatException">The file is damaged, or is not a checkpoint.</exception>
    /// <exception cref="IOException">It cannot be opened or read.</exception>
    /// <exception cref="CheckpointException">The checkpoint belongs to another model.</exception>
    public static void ReadModel(string path, Module model)
    {
        CheckpointItem[] items = [.. TrainingCheckpoint.ModelItems(model)];
        Load(
            path,
            items,
            header =>
                CompareItems(
                    [
                        .. header.Entries.Where(entry =>
                            entry.Name.StartsWith(TrainingCheckpoint.ModelPrefix, StringComparison.Ordinal)
                        ),
                    ],
                    items
                )
        );
    }

    /// <summary>Whether a file says that it is a checkpoint.</summary>
    public static bool IsOne(SafetensorsReader reader) =>
        reader.Metadata.ContainsKey(DigestKey) && reader.Metadata.GetValueOrDefault(FormatKey) == Format;

    private static void Load(
        string path,
        IReadOnlyList<CheckpointItem> items,
        Func<SafetensorsHeader, List<string>> compare
    )
    {
        using FileStream stream = PosixFile.OpenRegular(path);
        byte[] headerBytes = SafetensorsReader.ReadHeader(path, stream);
        string digest = TakeDigest(path, headerBytes);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(BitConverter.GetBytes((ulong)headerBytes.Length));
        hash.AppendData(headerBytes);
        SafetensorsHeader header = SafetensorsHeader.Parse(
            path,
            headerBytes,
            stream.Length - SafetensorsHeader.PrefixLength - headerBytes.Length
        );
        List<string> problems = compare(header);

        byte[][] staged = Stage(path, stream, hash, header, problems.Count > 0 ? [] : items);
        string computed = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (computed != digest)
            throw new DataFormatException(
                path,
                DigestOffset,
                $"content with SHA-256 {computed}",
                $"{digest}, as the file says: it is damaged"
            );
        if (problems.Count > 0)
            throw new CheckpointException(path, problems);
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i].Check?.Invoke(staged[i]) is { } problem)
                throw new CheckpointException(path, [problem]);
        }

        for (int i = 0; i < items.Count; i++)
            items[i].Load(staged[i]);
    }

    /// <summary>Takes the digest out of a header and puts zeros there, as when the digest was computed.</summary>
    private static string TakeDigest(string path, byte[] header)
    {
        Span<byte> digest = header.AsSpan(Math.Min(HeaderStart.Length, header.Length));
        if (!header.AsSpan().StartsWith(HeaderStart) || digest.Length < DigestDigits)
            throw new DataFormatException(
                path,
                SafetensorsHeader.PrefixLength,
                "a header without a digest",
                "a checkpoint of NativeAmp"
            );
        string said = Encoding.ASCII.GetString(digest[..DigestDigits]);
        Zeros.CopyTo(digest);
        return said;
    }

    /// <summary>Reads all data once, front to back, and hashes it. Keeps the data of the items.</summary>
    private static byte[][] Stage(
        string path,
        FileStream stream,
        IncrementalHash hash,
        SafetensorsHeader header,
        IReadOnlyList<CheckpointItem> items
    )
    {
        Dictionary<string, int> wanted = new(items.Count, StringComparer.Ordinal);
        for (int i = 0; i < items.Count; i++)
            wanted.Add(items[i].Entry.Name, i);
        byte[][] staged = new byte[items.Count][];
        byte[] buffer = new byte[1 << 16];
        foreach (SafetensorsEntry entry in header.Entries)
        {
            if (wanted.TryGetValue(entry.Name, out int index))
            {
                staged[index] = GC.AllocateUninitializedArray<byte>(checked((int)entry.ByteLength));
                Fill(staged[index], entry);
            }
            else
            {
                for (long left = entry.ByteLength; left > 0; left -= Math.Min(left, buffer.Length))
                    Fill(buffer.AsSpan(0, (int)Math.Min(left, buffer.Length)), entry);
            }
        }

        return stream.ReadByte() < 0
            ? staged
            : throw new DataFormatException(path, stream.Position - 1, "more bytes", "the end of the file");

        void Fill(Span<byte> bytes, SafetensorsEntry entry)
        {
            if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
                throw new DataFormatException(
                    path,
                    stream.Position,
                    "the end of the file",
                    $"all of tensor '{entry.Name}'"
                );
            hash.AppendData(bytes);
        }
    }

    private static List<string> Compare(
        SafetensorsHeader header,
        IReadOnlyList<CheckpointItem> items,
        IReadOnlyDictionary<string, string> facts,
        IReadOnlySet<string> mayChange,
        List<string> changes
    )
    {
        List<string> problems = [];
        if (header.Metadata.GetValueOrDefault(FormatKey) is var format && format != Format)
            problems.Add($"its format is '{format}', not '{Format}'");
        foreach ((string key, string value) in facts)
        {
            if (header.Metadata.GetValueOrDefault(key) is var saved && saved != value)
                (mayChange.Contains(key) ? changes : problems).Add(
                    $"{key} was {saved ?? "not given"} and is now {value}"
                );
        }

        problems.AddRange(CompareItems(header.Entries, items));
        return problems;
    }

    /// <summary>Items that the file does not have as they should be, and tensors that are none of the items.</summary>
    private static List<string> CompareItems(
        IReadOnlyList<SafetensorsEntry> entries,
        IReadOnlyList<CheckpointItem> items
    )
    {
        List<string> problems = [];
        Dictionary<string, SafetensorsEntry> saves = entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        foreach (SafetensorsEntry entry in items.Select(item => item.Entry))
        {
            if (!saves.Remove(entry.Name, out SafetensorsEntry? found))
                problems.Add($"{entry.Name} is missing");
            else if (found.DType != entry.DType || !found.Shape.SequenceEqual(entry.Shape))
                problems.Add($"{entry.Name} is {Describe(found)}, not {Describe(entry)}");
        }

        problems.AddRange(
            entries.Where(entry => saves.ContainsKey(entry.Name)).Select(entry => $"{entry.Name} is unexpected")
        );
        return problems;
    }

    private static string Describe(SafetensorsEntry entry) => $"{entry.DType} [{string.Join(", ", entry.Shape)}]";

    /// <summary>Hashes the bytes that are written, and passes them on.</summary>
    private sealed class HashingStream(Stream inner, IncrementalHash hash) : ForwardOnlyStream(reads: false)
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.AppendData(buffer);
            inner.Write(buffer);
        }

        public override void Flush() => inner.Flush();
    }
}
