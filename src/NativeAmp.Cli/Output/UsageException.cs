namespace NativeAmp.Cli.Output;

/// <summary>Arguments that parse but make no sense together or here.</summary>
internal class UsageException(string message) : Exception(message);

/// <summary>What was asked for takes more memory than there is, as its sizes tell before it begins.</summary>
internal sealed class DoesNotFitException(string message) : UsageException(message);
