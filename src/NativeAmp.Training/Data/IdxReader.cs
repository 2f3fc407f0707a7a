using System.Buffers.Binary;
using System.IO.Compression;

namespace NativeAmp.Training.Data;

/// <summary>
/// Reads an IDX file of unsigned bytes (MNIST's format), plain or gzip, front to back. The header is checked when it is opened:
/// a plain file must be exactly as long as its header says; a gzip file is checked as it is read, and its declared size against
/// the most that deflate can expand to.
/// </summary>
/// <remarks>Format: two zero bytes, an element type, a number of dimensions, each dimension as big-endian uint32, the elements
/// row-major (http://yann.lecun.com/exdb/mnist).</remarks>
public sealed class IdxReader : IDisposable
{
    /// <summary>More dimensions than any data set has; a header that says more is not one.</summary>
    public const int MaximumRank = 8;

    // Deflate's best case: a 258-byte match in 2 bits (zlib's technical notes give 1032:1).
    private const long DeflateMaximumRatio = 1032;
    private const byte UnsignedByte = 0x08;

    private readonly string _name;
    private readonly Stream _stream;
    private readonly int[] _shape;
    private long _position;

    private IdxReader(string name, Stream file)
    {
        _name = name;
        bool gzip = IsGzip(file);
        _stream = gzip ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            _shape = ReadHeader();
            HeaderLength = _position;
            Count = Product(_shape);
            CheckLength(file.Length, gzip);
        }
        catch
        {
            _stream.Dispose();
            throw;
        }
    }

    /// <summary>Sizes of the dimensions, outermost first; 0 is possible.</summary>
    public ReadOnlySpan<int> Shape => _shape;

    /// <summary>Number of elements, the product of <see cref="Shape"/>.</summary>
    public long Count { get; }

    /// <summary>Bytes before the first element.</summary>
    public long HeaderLength { get; }

    /// <summary>Opens a file and reads its header.</summary>
    /// <param name="path">The file; gzip is recognised by its first two bytes, whatever the name.</param>
    /// <exception cref="DataFormatException">The header is not one of unsigned bytes, or does not fit the file's length.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IdxReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new IdxReader(path, File.OpenRead(path));
    }

    /// <summary>Reads a whole file.</summary>
    /// <returns>The shape, and the elements row-major.</returns>
    /// <exception cref="DataFormatException">As <see cref="Open"/>; or the content is shorter, longer or damaged.</exception>
    public static (int[] Shape, byte[] Data) ReadAll(string path)
    {
        using IdxReader reader = Open(path);
        return (reader._shape, reader.ReadToEnd());
    }

    /// <summary>Reads the next elements, exactly as many as fit.</summary>
    /// <exception cref="DataFormatException">The content ends before, or is damaged.</exception>
    public void Read(Span<byte> elements)
    {
        if (elements.Length > HeaderLength + Count - _position)
            throw new ArgumentOutOfRangeException(nameof(elements), elements.Length,
                $"Only {HeaderLength + Count - _position} elements of {_name} are left.");
        int read = ReadUpTo(elements);
        if (read < elements.Length)
            throw new DataFormatException(_name, _position, "the end of the content", $"{Count} elements, as its header says");
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    internal static IdxReader FromStream(string name, Stream seekable) => new(name, seekable);

    internal byte[] ReadToEnd()
    {
        // The buffer grows with what has really been read, so a header that promises much costs nothing.
        int total = checked((int)Count);
        byte[] data = new byte[Math.Min(total, 1 << 16)];
        for (int filled = 0; filled < total;)
        {
            if (filled == data.Length)
                Array.Resize(ref data, (int)Math.Min(total, 2L * data.Length));
            Read(data.AsSpan(filled));
            filled = data.Length;
        }

        if (_stream is GZipStream && ReadUpTo(stackalloc byte[1]) != 0)
            throw new DataFormatException(_name, _position - 1, "more content", $"the end, after the {Count} elements of its header");
        return data;
    }

    private static bool IsGzip(Stream file)
    {
        Span<byte> magic = stackalloc byte[2];
        int read = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false);
        file.Position = 0;
        return read == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
    }

    private static long Product(int[] shape)
    {
        long product = 1;
        foreach (int size in shape)
            product *= size; // ReadHeader has kept it in range
        return product;
    }

    private int[] ReadHeader()
    {
        Span<byte> field = stackalloc byte[4];
        ReadField(field);
        if (field[0] != 0 || field[1] != 0)
            throw new DataFormatException(_name, 0, $"bytes 0x{field[0]:X2} 0x{field[1]:X2}", "an IDX file's two zero bytes");
        if (field[2] != UnsignedByte)
            throw new DataFormatException(_name, 2, $"element type 0x{field[2]:X2}", "0x08, unsigned bytes");
        int rank = field[3];
        if (rank is 0 or > MaximumRank)
            throw new DataFormatException(_name, 3, $"{rank} dimensions", $"1 to {MaximumRank}");

        int[] shape = new int[rank];
        long count = 1;
        for (int i = 0; i < rank; i++)
        {
            ReadField(field);
            uint size = BinaryPrimitives.ReadUInt32BigEndian(field);
            // int * uint cannot overflow a long, and the product is kept at what one array holds.
            if (size > int.MaxValue || (count *= size) > Array.MaxLength)
                throw new DataFormatException(_name, _position - 4, $"size {size} of dimension {i}",
                    $"no more than {Array.MaxLength} elements in all");
            shape[i] = (int)size;
        }

        return shape;
    }

    private void ReadField(Span<byte> field)
    {
        if (ReadUpTo(field) < field.Length)
            throw new DataFormatException(_name, _position, "the end of the content", "an IDX header");
    }

    private void CheckLength(long fileLength, bool gzip)
    {
        long length = HeaderLength + Count;
        if (!gzip && fileLength != length)
            throw new DataFormatException(_name, Math.Min(fileLength, length), $"a file of {fileLength} bytes",
                $"{length}, as its header [{string.Join(", ", _shape)}] says");
        if (gzip && length / DeflateMaximumRatio > fileLength)
            throw new DataFormatException(_name, HeaderLength, $"{Count} elements in the header",
                $"no more than {fileLength} compressed bytes can hold");
    }

    private int ReadUpTo(Span<byte> buffer)
    {
        try
        {
            int read = _stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            _position += read;
            return read;
        }
        catch (InvalidDataException e)
        {
            throw new DataFormatException(_name, _position, "damaged gzip data", "an intact gzip file", e);
        }
    }
}
