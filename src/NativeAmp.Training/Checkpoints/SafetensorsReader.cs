using System.Buffers.Binary;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// Reads a safetensors file (https://github.com/huggingface/safetensors) with tensors of any type of the format.
/// Opening checks the whole header. Tensors are read on demand, as bytes.
/// </summary>
public sealed class SafetensorsReader : IDisposable
{
    private readonly string _name;
    private readonly Stream _stream;
    private readonly long _dataStart;
    private readonly SafetensorsHeader _header;

    private SafetensorsReader(string name, Stream stream)
    {
        _name = name;
        _stream = stream;
        try
        {
            byte[] headerBytes = ReadHeader(name, stream);
            _dataStart = SafetensorsHeader.PrefixLength + headerBytes.Length;
            _header = SafetensorsHeader.Parse(name, headerBytes, stream.Length - _dataStart);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The tensors, in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries => _header.Entries;

    /// <summary>The file's metadata.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file. A pipe is read to its end first.</summary>
    /// <exception cref="DataFormatException">It is not a safetensors file, or is damaged.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SafetensorsReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return FromStream(path, InputFile.Open(path));
    }

    /// <summary>Finds a tensor by name; null if there is none.</summary>
    public SafetensorsEntry? Find(string name) => _header.Find(name);

    /// <summary>Reads all elements of a tensor, little-endian, into a span of exactly its size.</summary>
    /// <exception cref="ArgumentException">The tensor belongs to another file, or the span has another
    /// length.</exception>
    /// <exception cref="DataFormatException">The file is shorter than it was when it was opened.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Read(SafetensorsEntry entry, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (destination.Length != entry.ByteLength)
            throw new ArgumentException(
                $"Tensor {entry.Name} has {entry.ByteLength} bytes; the span has {destination.Length}.",
                nameof(destination)
            );
        Read(entry, 0, destination);
    }

    /// <summary>Reads part of a tensor's bytes, for tensors that do not fit in memory.</summary>
    /// <param name="entry">The tensor.</param>
    /// <param name="offset">Offset of the first byte in the tensor.</param>
    /// <param name="destination">Receives the bytes; its length is their number.</param>
    /// <exception cref="ArgumentException">The tensor belongs to another file, or has no such part.</exception>
    /// <exception cref="DataFormatException">The file is shorter than it was when it was opened.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public void Read(SafetensorsEntry entry, long offset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (!ReferenceEquals(_header.Find(entry.Name), entry))
            throw new ArgumentException($"Tensor {entry.Name} is not of {_name}.", nameof(entry));
        if (offset < 0 || offset > entry.ByteLength - destination.Length)
            throw new ArgumentException(
                $"Tensor {entry.Name} has {entry.ByteLength} bytes; {destination.Length} from {offset} are past them.",
                nameof(offset)
            );
        _stream.Position = _dataStart + entry.Begin + offset;
        int read = _stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        if (read < destination.Length)
            throw new DataFormatException(
                _name,
                _stream.Position,
                "the end of the file",
                $"all of tensor '{entry.Name}'"
            );
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    internal static SafetensorsReader FromStream(string name, Stream seekable) => new(name, seekable);

    /// <summary>Reads the header's bytes. The stream is then at the data after the header.</summary>
    internal static byte[] ReadHeader(string name, Stream stream)
    {
        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixLength];
        if (stream.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false) < prefix.Length)
            throw new DataFormatException(
                name,
                stream.Length,
                "the end of the file",
                "the 8-byte length of a safetensors header"
            );
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        ulong most = (ulong)Math.Clamp(stream.Length - prefix.Length, 0, SafetensorsHeader.MaximumLength);
        if (length < 2 || length > most)
            throw new DataFormatException(
                name,
                0,
                $"a header of {length} bytes",
                most < 2 ? "a file with a header" : $"2 to {most}"
            );
        byte[] header = new byte[length];
        return stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length
            ? header
            : throw new DataFormatException(
                name,
                stream.Position,
                "the end of the file",
                $"all of a header of {length} bytes"
            );
    }
}
