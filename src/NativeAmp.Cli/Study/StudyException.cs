namespace NativeAmp.Cli.Study;

/// <summary>A study cannot go on, or its folder cannot be used. Its measurements stay.</summary>
internal sealed class StudyException(string message, Exception? inner = null) : IOException(message, inner);
