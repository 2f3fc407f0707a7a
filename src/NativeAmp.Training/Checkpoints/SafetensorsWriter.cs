using System.Buffers.Binary;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Writes a safetensors file front to back: first the header with the tensors' names, types and shapes, then their
/// elements in the same order.
/// </summary>
public sealed class SafetensorsWriter
{
    private readonly Stream _stream;
    private readonly List<SafetensorsEntry> _entries = [];
    private readonly long _dataLength;
    private long _written;

    /// <summary>Writes the header.</summary>
    /// <param name="stream">The destination, which is left open.</param>
    /// <param name="entries">The tensors in the order in which their elements follow; names are unique and not
    /// "__metadata__".</param>
    /// <param name="metadata">The file's metadata, or null.</param>
    public SafetensorsWriter(
        Stream stream,
        IEnumerable<SafetensorsEntry> entries,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(entries);
        _stream = stream;
        HashSet<string> names = ["__metadata__"];
        foreach (SafetensorsEntry entry in entries)
        {
            if (!names.Add(entry.Name))
                throw new ArgumentException($"Tensor name '{entry.Name}' is used twice or reserved.", nameof(entries));
            _entries.Add(entry with { Begin = _dataLength });
            _dataLength = checked(_dataLength + entry.ByteLength);
        }

        byte[] header = SafetensorsHeader.Serialize(_entries, metadata ?? new Dictionary<string, string>());
        if (header.Length > SafetensorsHeader.MaximumLength)
            throw new ArgumentException(
                $"The header would be {header.Length} bytes, past the format's limit.",
                nameof(entries)
            );
        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixLength];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        stream.Write(prefix);
        stream.Write(header);
    }

    /// <summary>Appends elements, little-endian: of one tensor, of several tensors, or of a part of one.</summary>
    public void Write(ReadOnlySpan<byte> elements)
    {
        if (elements.Length > _dataLength - _written)
            throw new ArgumentException(
                $"{elements.Length} bytes are more than the {_dataLength - _written} that the header leaves.",
                nameof(elements)
            );
        _stream.Write(elements);
        _written += elements.Length;
    }

    /// <summary>Checks that all data of the header was written.</summary>
    public void Complete()
    {
        if (_written != _dataLength)
            throw new InvalidOperationException($"{_written} of {_dataLength} bytes were written.");
    }
}
