using System.Text;

namespace NativeAmp.Training.Data;

/// <summary>
/// Rows of a CSV file by RFC 4180, in UTF-8: cells in quotes may hold separators, line ends and doubled quotes. Lines
/// may end in LF or CR LF; empty lines are left out.
/// </summary>
internal sealed class CsvReader
{
    private readonly string _file;
    private readonly byte[] _bytes;
    private readonly byte _separator;
    private int _at;
    private int _nextLine = 1;

    public CsvReader(string file, byte[] bytes, char separator)
    {
        if (separator is '"' or '\n' or '\r' or > '\x7F')
            throw new ArgumentException(
                $"'{separator}' (U+{(int)separator:X4}) cannot separate cells.",
                nameof(separator)
            );
        _file = file;
        _bytes = bytes;
        _separator = (byte)separator;
        if (bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble))
            _at = Encoding.UTF8.Preamble.Length;
    }

    /// <summary>The line that the row begins on, from 1.</summary>
    public int Line { get; private set; }

    /// <summary>Reads the next row; false at the end.</summary>
    /// <exception cref="DataFormatException">A quote is not closed, or text follows it.</exception>
    public bool Read(List<CsvCell> cells)
    {
        cells.Clear();
        SkipEmptyLines();
        if (_at == _bytes.Length)
            return false;
        Line = _nextLine;
        do cells.Add(ReadCell());
        while (Take(_separator));
        TakeLineEnd();
        return true;
    }

    /// <summary>The bytes of a cell, without quotes around it; for numbers.</summary>
    public ReadOnlySpan<byte> Bytes(CsvCell cell) => _bytes.AsSpan(cell.Start, cell.Length);

    /// <summary>The text of a cell.</summary>
    public string Text(CsvCell cell)
    {
        string text = Encoding.UTF8.GetString(Bytes(cell));
        return cell.IsQuoted ? text.Replace("\"\"", "\"", StringComparison.Ordinal) : text.Trim();
    }

    private CsvCell ReadCell()
    {
        int start = _at;
        if (_at < _bytes.Length && _bytes[_at] == '"')
            return ReadQuoted();
        while (_at < _bytes.Length && _bytes[_at] != _separator && !IsLineEnd())
            _at++;
        return new CsvCell(start, _at - start, IsQuoted: false);
    }

    private CsvCell ReadQuoted()
    {
        int quote = _at++;
        while (_at < _bytes.Length)
        {
            if (_bytes[_at] == '\n')
                _nextLine++;
            if (_bytes[_at++] != '"')
                continue;
            if (Take((byte)'"'))
                continue;
            if (_at < _bytes.Length && _bytes[_at] != _separator && !IsLineEnd())
                throw new DataFormatException(
                    _file,
                    _at,
                    $"'{(char)_bytes[_at]}' after a closing quote in line {_nextLine}",
                    $"'{(char)_separator}' or the end of the line; a quote within quotes is doubled"
                );
            return new CsvCell(quote + 1, _at - quote - 2, IsQuoted: true);
        }

        throw new DataFormatException(_file, quote, $"a quote in line {Line} that is not closed", "its end");
    }

    private bool IsLineEnd() =>
        _bytes[_at] == '\n' || (_bytes[_at] == '\r' && (_at + 1 == _bytes.Length || _bytes[_at + 1] == '\n'));

    private void SkipEmptyLines()
    {
        while (_at < _bytes.Length && IsLineEnd())
            TakeLineEnd();
    }

    private void TakeLineEnd()
    {
        Take((byte)'\r');
        if (Take((byte)'\n'))
            _nextLine++;
    }

    private bool Take(byte expected)
    {
        if (_at == _bytes.Length || _bytes[_at] != expected)
            return false;
        _at++;
        return true;
    }
}

/// <summary>The place of a cell in the file, without its quotes.</summary>
/// <param name="Start">Its first byte.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="IsQuoted">Whether quotes are around it.</param>
internal readonly record struct CsvCell(int Start, int Length, bool IsQuoted);
