namespace NativeAmp.Training.Data;

/// <summary>A file does not hold what its format, or whoever reads it, asks for. Nothing was changed.</summary>
public sealed class DataFormatException : FormatException
{
    /// <summary>Says what is wrong where.</summary>
    /// <param name="file">The file, as it was named by the caller.</param>
    /// <param name="offset">Position in the file's (decompressed) content, in bytes.</param>
    /// <param name="found">What is there.</param>
    /// <param name="expected">What should be there.</param>
    /// <param name="inner">What a library underneath said, if one did.</param>
    public DataFormatException(string file, long offset, string found, string expected, Exception? inner = null)
        : base($"{file}: at byte {offset}: found {found}, expected {expected}.", inner)
    {
        File = file;
        Offset = offset;
        Found = found;
        Expected = expected;
    }

    /// <summary>The file, as it was named by the caller.</summary>
    public string File { get; }

    /// <summary>Position in the file's (decompressed) content, in bytes.</summary>
    public long Offset { get; }

    /// <summary>What is there.</summary>
    public string Found { get; }

    /// <summary>What should be there.</summary>
    public string Expected { get; }
}
