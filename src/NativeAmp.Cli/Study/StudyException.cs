namespace NativeAmp.Cli.Study;

/// <summary>A study cannot go on, or its folder cannot be used. What was measured stays.</summary>
internal sealed class StudyException(string message, Exception? inner = null) : IOException(message, inner);
