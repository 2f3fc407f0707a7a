using System.Buffers.Binary;

namespace NativeAmp.Training.Data;

/// <summary>
/// Reads an IDX file of unsigned bytes (MNIST's format), plain or gzip, front to back. Opening checks the header: a
/// plain file must be exactly as long as its header says, and a gzip file must not declare more than deflate can expand
/// to. A gzip file's content is checked as it is read, its end with the last element.
/// </summary>
/// <remarks>
/// Format: two zero bytes, an element type, a number of dimensions, each dimension as big-endian uint32, the elements
/// row-major (http://yann.lecun.com/exdb/mnist).
/// </remarks>
public sealed class IdxReader : IDisposable
{
    /// <summary>More dimensions than any data set has. A header with more is not valid.</summary>
    public const int MaximumRank = 8;

    // Deflate's best case: a 258-byte match in 2 bits (zlib's technical notes give 1032:1).
    private const long DeflateMaximumRatio = 1032;
    private const byte UnsignedByte = 0x08;
    private const byte SignedInt = 0x0C;

    // The buffer starts small and grows by this factor as data is read, so that a header with a huge count costs
    // nothing.
    private const int FirstBuffer = 1 << 16;
    private const int BufferGrowth = 8;

    private readonly string _name;
    private readonly Stream _stream;
    private readonly int[] _shape;
    private readonly int _elementSize;
    private long _position;

    private IdxReader(string name, Stream file, bool takesIntegers = false)
    {
        _name = name;
        bool gzip = GzipReader.IsGzip(file);
        _stream = gzip ? new GzipReader(name, file) : file;
        try
        {
            (_shape, _elementSize) = ReadHeader(takesIntegers);
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
    /// <exception cref="DataFormatException">The header is not one of unsigned bytes, or does not fit the file's
    /// length; or it is a folder.</exception>
    /// <exception cref="IOException">The file cannot be opened or read.</exception>
    public static IdxReader Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new IdxReader(path, InputFile.Open(path));
    }

    /// <summary>Reads a whole file.</summary>
    /// <returns>The shape, and the elements row-major.</returns>
    /// <exception cref="DataFormatException">As <see cref="Open"/>; or the content is shorter, longer or
    /// damaged.</exception>
    public static (int[] Shape, byte[] Data) ReadAll(string path)
    {
        using IdxReader reader = Open(path);
        return (reader._shape, reader.ReadToEnd());
    }

    /// <summary>
    /// Reads labels: bytes, or rows of 32-bit integers as in QMNIST, where the first of a row is the class.
    /// </summary>
    /// <exception cref="DataFormatException">As <see cref="ReadAll"/>; or there are more dimensions than
    /// two.</exception>
    /// <exception cref="IOException">The file cannot be opened or read.</exception>
    internal static int[] ReadLabels(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var reader = new IdxReader(path, InputFile.Open(path), takesIntegers: true);
        int[] shape = reader._shape;
        if (shape.Length > (reader._elementSize == 1 ? 1 : 2) || (shape.Length == 2 && shape[1] == 0))
            throw new DataFormatException(path, 3, $"shape [{string.Join(", ", shape)}]", "labels [count]");
        byte[] bytes = reader.ReadToEnd();
        int stride = reader._elementSize * (shape.Length == 2 ? shape[1] : 1);
        int[] labels = new int[shape[0]];
        for (int i = 0; i < labels.Length; i++)
            labels[i] =
                reader._elementSize == 1 ? bytes[i] : BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(i * stride));
        return labels;
    }

    /// <summary>Reads the next elements and fills the span.</summary>
    /// <exception cref="DataFormatException">The content ends too early, or is damaged.</exception>
    public void Read(Span<byte> elements)
    {
        long left = HeaderLength + Count * _elementSize - _position;
        if (elements.Length > left)
            throw new ArgumentOutOfRangeException(
                nameof(elements),
                elements.Length,
                $"Only {left} elements of {_name} are left."
            );
        int read = ReadUpTo(elements);
        if (read < elements.Length)
            throw new DataFormatException(
                _name,
                _position,
                "the end of the content",
                $"{Count} elements, as its header says"
            );
        if (elements.Length == left && _stream is GzipReader && ReadUpTo(stackalloc byte[1]) != 0)
            throw new DataFormatException(
                _name,
                _position - 1,
                "more content",
                $"the end, after the {Count} elements of its header"
            );
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    internal static IdxReader FromStream(string name, Stream seekable) => new(name, seekable);

    internal byte[] ReadToEnd()
    {
        int total = checked((int)(Count * _elementSize));
        byte[] data = GC.AllocateUninitializedArray<byte>(Math.Min(total, FirstBuffer));
        int filled = 0;
        do
        {
            if (filled == data.Length)
                Array.Resize(ref data, (int)Math.Min(total, (long)BufferGrowth * data.Length));
            Read(data.AsSpan(filled));
            filled = data.Length;
        } while (filled < total);

        return data;
    }

    private static long Product(int[] shape)
    {
        long product = 1;
        foreach (int size in shape)
            product *= size; // ReadHeader checked the range
        return product;
    }

    private (int[] Shape, int ElementSize) ReadHeader(bool takesIntegers)
    {
        Span<byte> field = stackalloc byte[4];
        ReadField(field);
        if (field[0] != 0 || field[1] != 0)
            throw new DataFormatException(
                _name,
                0,
                $"bytes 0x{field[0]:X2} 0x{field[1]:X2}",
                "an IDX file's two zero bytes"
            );
        int size =
            field[2] == UnsignedByte ? 1
            : takesIntegers && field[2] == SignedInt ? sizeof(int)
            : 0;
        if (size == 0)
            throw new DataFormatException(_name, 2, $"element type 0x{field[2]:X2}", "0x08, unsigned bytes");
        int rank = field[3];
        if (rank is 0 or > MaximumRank)
            throw new DataFormatException(_name, 3, $"{rank} dimensions", $"1 to {MaximumRank}");

        int[] shape = new int[rank];
        long count = 1;
        for (int i = 0; i < rank; i++)
        {
            ReadField(field);
            uint extent = BinaryPrimitives.ReadUInt32BigEndian(field);
            // int * uint cannot overflow a long, and the product is at most the size of an array.
            if (extent > int.MaxValue || (count *= extent) > Array.MaxLength / size)
                throw new DataFormatException(
                    _name,
                    _position - 4,
                    $"size {extent} of dimension {i}",
                    $"no more than {Array.MaxLength / size} elements in all"
                );
            shape[i] = (int)extent;
        }

        return (shape, size);
    }

    private void ReadField(Span<byte> field)
    {
        if (ReadUpTo(field) < field.Length)
            throw new DataFormatException(_name, _position, "the end of the content", "an IDX header");
    }

    private void CheckLength(long fileLength, bool gzip)
    {
        long length = HeaderLength + Count * _elementSize;
        if (!gzip && fileLength != length)
            throw new DataFormatException(
                _name,
                Math.Min(fileLength, length),
                $"a file of {fileLength} bytes",
                $"{length}, as its header [{string.Join(", ", _shape)}] says"
            );
        if (gzip && length / DeflateMaximumRatio > fileLength)
            throw new DataFormatException(
                _name,
                HeaderLength,
                $"{Count} elements in the header",
                $"no more than {fileLength} compressed bytes can hold"
            );
    }

    private int ReadUpTo(Span<byte> buffer)
    {
        int read = _stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        _position += read;
        return read;
    }
}
