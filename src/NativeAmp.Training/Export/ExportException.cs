namespace NativeAmp.Training.Export;

/// <summary>A model cannot be written in another program's format. No file was written or changed.</summary>
public sealed class ExportException : Exception
{
    /// <summary>An exception of one part.</summary>
    /// <param name="part">The full name of the module or tensor; empty for the model itself.</param>
    /// <param name="message">What is wrong, and what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public ExportException(string part, string message, Exception? inner = null)
        : base(message, inner) => Part = part;

    /// <summary>The full name of the module or tensor, as "block0.attention"; empty for the model itself.</summary>
    public string Part { get; }
}
