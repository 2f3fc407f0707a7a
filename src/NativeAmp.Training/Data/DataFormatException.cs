namespace NativeAmp.Training.Data;

/// <summary>A file is not valid in its format, or does not fit its use. Nothing was changed.</summary>
public sealed class DataFormatException : FormatException
{
    /// <summary>An exception with the place, the content found there, and the content expected.</summary>
    /// <param name="file">The file, by the caller's name for it.</param>
    /// <param name="offset">Position in the file's (decompressed) content, in bytes.</param>
    /// <param name="found">The content found there.</param>
    /// <param name="expected">The content expected there.</param>
    /// <param name="inner">The exception of an underlying library, if there is one.</param>
    public DataFormatException(string file, long offset, string found, string expected, Exception? inner = null)
        : base($"{file}: at byte {offset}: found {found}, expected {expected}.", inner)
    {
        File = file;
        Offset = offset;
        Found = found;
        Expected = expected;
    }

    /// <summary>The file, by the caller's name for it.</summary>
    public string File { get; }

    /// <summary>Position in the file's (decompressed) content, in bytes.</summary>
    public long Offset { get; }

    /// <summary>The content found there.</summary>
    public string Found { get; }

    /// <summary>The content expected there.</summary>
    public string Expected { get; }
}
