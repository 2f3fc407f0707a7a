namespace NativeAmp.Onnx;

/// <summary>A model cannot be written as ONNX. No file was written or changed.</summary>
public sealed class OnnxExportException : Exception
{
    /// <summary>An exception of one module.</summary>
    /// <param name="module">The module's full name in the model; empty for the model itself.</param>
    /// <param name="message">What is wrong, and what to do.</param>
    /// <param name="inner">The cause, or null.</param>
    public OnnxExportException(string module, string message, Exception? inner = null)
        : base(message, inner) => Module = module;

    /// <summary>The module's full name, as "block0.attention"; empty for the model itself.</summary>
    public string Module { get; }
}
