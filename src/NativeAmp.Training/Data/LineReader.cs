namespace NativeAmp.Training.Data;

/// <summary>Lines of a stream as bytes, with their places.</summary>
internal sealed class LineReader(Stream stream)
{
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _filled;
    private long _offset; // of the buffer's first byte in the stream
    private bool _ended;

    /// <summary>Start of the line.</summary>
    public long Begin { get; private set; }

    /// <summary>Start of the next line.</summary>
    public long End { get; private set; }

    /// <summary>Whether the line lacks its end.</summary>
    public bool IsUnfinished { get; private set; }

    /// <summary>Reads the next line without its end, or null. A line that is too long is cut.</summary>
    public byte[]? Read(int longest)
    {
        int newline;
        int seen = 0;
        while ((newline = _buffer.AsSpan(_start + seen, _filled - _start - seen).IndexOf((byte)'\n')) < 0)
        {
            seen = _filled - _start;
            if (seen > longest || !Refill())
                break;
        }

        int length = newline >= 0 ? seen + newline : _filled - _start;
        if (length == 0 && newline < 0)
            return null;
        byte[] line = _buffer.AsSpan(_start, length).ToArray();
        IsUnfinished = newline < 0;
        Begin = _offset + _start;
        _start += length + (newline >= 0 ? 1 : 0);
        End = _offset + _start;
        return line;
    }

    private bool Refill()
    {
        if (_ended)
            return false;
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _filled - _start).CopyTo(_buffer);
            _offset += _start;
            _filled -= _start;
            _start = 0;
        }

        if (_filled == _buffer.Length)
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        int read = stream.Read(_buffer, _filled, _buffer.Length - _filled);
        _filled += read;
        _ended = read == 0;
        return !_ended;
    }
}
