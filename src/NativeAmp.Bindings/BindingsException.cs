namespace NativeAmp.Bindings;

/// <summary>The bindings cannot be generated; the message says why and what to do.</summary>
internal sealed class BindingsException(string message) : Exception(message);
