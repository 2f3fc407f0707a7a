using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// The JSON header of a safetensors file, read strictly: an object of {"dtype", "shape", "data_offsets"} by unique name
/// and at most one "__metadata__" of strings; offsets cover the data exactly once, without gaps or overlaps.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own limit on a header.</summary>
    public const int MaximumLength = 100_000_000;

    /// <summary>Bytes before the header: its length, little-endian.</summary>
    public const int PrefixLength = 8;

    private const string MetadataKey = "__metadata__";
    private const int MaximumRank = 16;

    private readonly int[] _byName;

    private SafetensorsHeader(
        IReadOnlyList<SafetensorsEntry> entries,
        IReadOnlyDictionary<string, string> metadata,
        int[] byName
    )
    {
        _byName = byName;
        Entries = entries;
        Metadata = metadata;
    }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>
    /// Writes the header of tensors in this order: metadata first, padded with spaces to a multiple of 8 bytes.
    /// </summary>
    public static byte[] Serialize(IEnumerable<SafetensorsEntry> entries, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject(MetadataKey);
                foreach ((string key, string value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            foreach (SafetensorsEntry entry in entries)
            {
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype"u8, entry.DType.ToString());
                json.WriteStartArray("shape"u8);
                foreach (long size in entry.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets"u8);
                json.WriteNumberValue(entry.Begin);
                json.WriteNumberValue(entry.Begin + entry.ByteLength);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        int padding = -(buffer.WrittenCount + PrefixLength) & 7;
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads a header and checks it against the bytes that follow it.</summary>
    /// <exception cref="DataFormatException">The bytes are not a header, or do not fit the data.</exception>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> header, long dataLength)
    {
        var parser = new Parser(file, header);
        try
        {
            parser.Parse();
        }
        catch (JsonException e)
        {
            throw new DataFormatException(
                file,
                PrefixLength + parser.Position,
                "text that is not JSON",
                "a safetensors header",
                e
            );
        }
        catch (InvalidOperationException e) // Utf8JsonReader: a string that is not valid UTF-16
        {
            throw new DataFormatException(
                file,
                PrefixLength + parser.Position,
                "a string that is not Unicode",
                "a safetensors header",
                e
            );
        }

        List<SafetensorsEntry> entries = parser.Entries;
        entries.Sort((a, b) => (a.Begin, a.ByteLength).CompareTo((b.Begin, b.ByteLength)));
        long end = 0;
        foreach (SafetensorsEntry entry in entries)
        {
            if (entry.Begin != end)
                throw new DataFormatException(
                    file,
                    PrefixLength,
                    $"tensor '{entry.Name}' at data offset {entry.Begin}",
                    $"{end}, where the one before it ends"
                );
            end += entry.ByteLength;
            if (end > dataLength)
                throw new DataFormatException(
                    file,
                    PrefixLength + header.Length + dataLength,
                    $"{dataLength} bytes of data",
                    $"at least {end}, for tensor '{entry.Name}'"
                );
        }

        if (end != dataLength)
            throw new DataFormatException(
                file,
                PrefixLength + header.Length + end,
                $"{dataLength} bytes of data",
                $"{end}, as its header says"
            );
        return new SafetensorsHeader(entries, parser.Metadata, IndexNames(file, entries));
    }

    /// <summary>Finds a tensor by name; null if there is none.</summary>
    public SafetensorsEntry? Find(string name)
    {
        int low = 0;
        int high = _byName.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            int order = string.CompareOrdinal(Entries[_byName[middle]].Name, name);
            if (order == 0)
                return Entries[_byName[middle]];
            (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
        }

        return null;
    }

    /// <summary>
    /// Indices of the tensors in the order of their names. A header may hold a million tensors, and a dictionary would
    /// take far more memory.
    /// </summary>
    private static int[] IndexNames(string file, List<SafetensorsEntry> entries)
    {
        int[] index = new int[entries.Count];
        for (int i = 0; i < index.Length; i++)
            index[i] = i;
        Array.Sort(index, (a, b) => string.CompareOrdinal(entries[a].Name, entries[b].Name));
        for (int i = 1; i < index.Length; i++)
        {
            if (entries[index[i]].Name == entries[index[i - 1]].Name)
                throw new DataFormatException(file, PrefixLength, $"'{entries[index[i]].Name}' twice", "unique names");
        }

        return index;
    }

    private ref struct Parser
    {
        private readonly string _file;
        private long[] _shape = [];
        private bool _hasMetadata;
        private Utf8JsonReader _json;

        public Parser(string file, ReadOnlySpan<byte> header)
        {
            _file = file;
            _json = new Utf8JsonReader(header);
        }

        public List<SafetensorsEntry> Entries { get; } = [];

        public Dictionary<string, string> Metadata { get; } = [];

        public readonly long Position => _json.BytesConsumed;

        public void Parse()
        {
            Expect(JsonTokenType.StartObject, "an object of tensors");
            while (NextProperty() is { } name)
            {
                if (name == MetadataKey)
                    ParseMetadata();
                else
                    ParseEntry(name);
            }

            if (_json.Read())
                throw Bad("more after the object", "the end of the header");
        }

        private void ParseMetadata()
        {
            if (_hasMetadata)
                throw Bad($"'{MetadataKey}' twice", "unique names");
            _hasMetadata = true;
            Expect(JsonTokenType.StartObject, "an object of metadata");
            while (NextProperty() is { } key)
            {
                Expect(JsonTokenType.String, "a string of metadata");
                if (!Metadata.TryAdd(key, _json.GetString()!))
                    throw Bad($"'{key}' twice", "unique metadata");
            }
        }

        private void ParseEntry(string name)
        {
            SafetensorsDType? dtype = null;
            List<long>? shape = null;
            List<long>? offsets = null;
            Expect(JsonTokenType.StartObject, $"an object for tensor '{name}'");
            while (NextProperty() is { } key)
            {
                if (key == "dtype" && dtype is null)
                    dtype = ParseDType();
                else if (key == "shape" && shape is null)
                    shape = ParseNumbers(MaximumRank, "sizes");
                else if (key == "data_offsets" && offsets is null)
                    offsets = ParseNumbers(2, "offsets");
                else
                    throw Bad($"'{key}' in tensor '{name}'", "dtype, shape and data_offsets, once each");
            }

            if (dtype is null || shape is null || offsets is not { Count: 2 })
                throw Bad($"an incomplete tensor '{name}'", "dtype, shape and two data_offsets");
            if (SafetensorsEntry.ByteLengthOf(dtype.Value, shape) is not { } length)
                throw Bad($"shape [{string.Join(", ", shape)}] of tensor '{name}'", "one that fits in memory");
            if (offsets[0] > offsets[1] || offsets[1] - offsets[0] != length)
                throw Bad(
                    $"data_offsets [{offsets[0]}, {offsets[1]}] of tensor '{name}'",
                    $"{length} bytes, as its shape says"
                );
            // Adjacent tensors often have the same shape: they share the array.
            if (!CollectionsMarshal.AsSpan(shape).SequenceEqual(_shape))
                _shape = [.. shape];
            Entries.Add(new SafetensorsEntry(name, dtype.Value, _shape) { Begin = offsets[0] });
        }

        private SafetensorsDType ParseDType()
        {
            Expect(JsonTokenType.String, "an element type");
            string? name = _json.GetString();
            return SafetensorsDTypes.TryParse(name, out SafetensorsDType dtype)
                ? dtype
                : throw Bad($"element type '{name}'", $"one of {SafetensorsDTypes.Names}");
        }

        private List<long> ParseNumbers(int most, string what)
        {
            List<long> numbers = [];
            Expect(JsonTokenType.StartArray, $"an array of {what}");
            while (Read() != JsonTokenType.EndArray)
            {
                if (
                    _json.TokenType != JsonTokenType.Number
                    || !_json.TryGetInt64(out long number)
                    || number < 0
                    || numbers.Count == most
                )
                    throw Bad("something else", $"an array of at most {most} {what}, 0 or more");
                numbers.Add(number);
            }

            return numbers;
        }

        private string? NextProperty() => Read() == JsonTokenType.PropertyName ? _json.GetString() : null;

        private void Expect(JsonTokenType type, string expected)
        {
            if (Read() != type)
                throw Bad($"{_json.TokenType}", expected);
        }

        private JsonTokenType Read() =>
            _json.Read() ? _json.TokenType : throw Bad("the end of the header", "more of it");

        private readonly DataFormatException Bad(string found, string expected) =>
            new(_file, PrefixLength + _json.TokenStartIndex, found, expected);
    }
}
