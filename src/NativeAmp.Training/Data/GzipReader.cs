using System.Buffers.Binary;
using System.IO.Compression;

namespace NativeAmp.Training.Data;

/// <summary>
/// Reads a gzip file (RFC 1952) as gzip(1) does. Several members are one content; each is checked against the CRC-32
/// and the size after it; other data after the last member is ignored. .NET's GZipStream accepts a file that ends
/// within those eight bytes.
/// </summary>
internal sealed class GzipReader : ForwardOnlyStream
{
    private const int TrailerLength = 8;
    private const int HeaderLength = 10;
    private const byte Deflate = 8;

    private readonly string _name;
    private readonly Stream _file;
    private readonly Tail _tail;
    private DeflateStream? _member;
    private Crc32 _crc;
    private long _memberLength;
    private long _position;
    private bool _ended;

    /// <summary>Reads a stream from its beginning, and owns it.</summary>
    public GzipReader(string name, Stream seekable)
        : base(reads: true)
    {
        _name = name;
        _file = seekable;
        _tail = new Tail(seekable);
    }

    /// <summary>Whether a file begins as a gzip file. Its position is 0 afterwards.</summary>
    public static bool IsGzip(Stream file)
    {
        Span<byte> magic = stackalloc byte[2];
        int read = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false);
        file.Position = 0;
        return read == 2 && IsMagic(magic);
    }

    /// <exception cref="DataFormatException">The data is damaged or incomplete.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (!buffer.IsEmpty && (_member is not null || OpenMember()))
        {
            int read;
            try
            {
                read = _member!.Read(buffer);
            }
            catch (InvalidDataException e)
            {
                throw new DataFormatException(_name, _position, "damaged gzip data", "an intact gzip file", e);
            }

            if (read > 0)
            {
                _crc.Append(buffer[..read]);
                _memberLength += read;
                _position += read;
                return read;
            }

            CloseMember();
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _member?.Dispose();
            _file.Dispose();
        }

        base.Dispose(disposing);
    }

    private static bool IsMagic(ReadOnlySpan<byte> bytes) => bytes is [0x1F, 0x8B, ..];

    private bool OpenMember()
    {
        if (_ended)
            return false;
        bool first = _file.Position == 0;
        Span<byte> header = stackalloc byte[HeaderLength];
        int read = _file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        if (!first && read == 1 && header[0] != 0)
            // as gzip(1) treats half of a member's first bytes
            throw Damaged("the end of the file after the first byte of something");
        if (!first && !IsMagic(header[..read]))
        {
            _ended = true;
            return false;
        }

        if (read < HeaderLength)
            throw Damaged("the end of the file within a gzip header");
        if (header[2] != Deflate || (header[3] & 0xE0) != 0)
            throw Damaged($"gzip data of method {header[2]} with flags 0x{header[3]:X2}");
        SkipOptionalFields(header[3]);
        _tail.Begin();
        _member = new DeflateStream(_tail, CompressionMode.Decompress, leaveOpen: true);
        _crc = default;
        _memberLength = 0;
        return true;
    }

    private void SkipOptionalFields(byte flags)
    {
        if ((flags & 4) != 0) // extra field
        {
            int length = NextByte() | (NextByte() << 8);
            for (int i = 0; i < length; i++)
                NextByte();
        }

        for (int text = 8; text <= 16; text *= 2) // name, comment
        {
            if ((flags & text) != 0)
            {
                while (NextByte() != 0)
                {
                    // Up to its terminating zero.
                }
            }
        }

        if ((flags & 2) != 0) // CRC of the header
        {
            NextByte();
            NextByte();
        }
    }

    private int NextByte() =>
        _file.ReadByte() is >= 0 and var value ? value : throw Damaged("the end of the file within a gzip header");

    /// <summary>
    /// Checks the member that ended against the trailer after it. DeflateStream does not say how many of the bytes that
    /// it took belong to the member, so it is fed single bytes near the end of the file. A member that ends earlier is
    /// followed by others: there the trailer's eight bytes are searched for in the last two pieces.
    /// </summary>
    private void CloseMember()
    {
        _member!.Dispose();
        _member = null;
        Span<byte> trailer = stackalloc byte[TrailerLength];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _crc.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], unchecked((uint)_memberLength));
        byte[] last = _tail.Last(TrailerLength);
        int found = _tail.IsExact ? (last.AsSpan().SequenceEqual(trailer) ? 0 : -1) : last.AsSpan().IndexOf(trailer);
        if (found < 0)
            throw Damaged("content that does not fit the CRC-32 and size behind it, or no such end");
        _file.Position = _tail.LastStart + found + TrailerLength;
    }

    private DataFormatException Damaged(string found) => new(_name, _position, found, "an intact gzip file");

    /// <summary>Passes a file on, near its end byte by byte, and knows where the last piece began.</summary>
    private sealed class Tail(Stream file) : ForwardOnlyStream(reads: true)
    {
        private const int SingleBytes = 1 << 16;

        private long _start;

        /// <summary>Start of the last two pieces, or the end of the bytes taken.</summary>
        public long LastStart { get; private set; }

        /// <summary>Whether <see cref="LastStart"/> is the end of the bytes taken.</summary>
        public bool IsExact { get; private set; }

        public void Begin() => LastStart = _start = file.Position;

        /// <summary>The bytes from <see cref="LastStart"/> on, with some after the last piece.</summary>
        public byte[] Last(int more)
        {
            byte[] bytes = new byte[Math.Min(file.Length, file.Position + more) - LastStart];
            file.Position = LastStart;
            int read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return bytes[..read];
        }

        public override int Read(Span<byte> buffer)
        {
            IsExact = file.Length - file.Position <= SingleBytes;
            int read = file.Read(IsExact && buffer.Length > 1 ? buffer[..1] : buffer);
            (LastStart, _start) = IsExact ? (file.Position, file.Position) : (_start, file.Position - read);
            return read;
        }
    }
}
