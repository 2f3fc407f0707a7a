namespace NativeAmp.Cli.Output;

/// <summary>Arguments that parse but make no sense together or here.</summary>
internal sealed class UsageException(string message) : Exception(message);
