namespace NativeAmp.Cli.Output;

/// <summary>Arguments that parse, but are not valid together or here.</summary>
internal class UsageException(string message) : Exception(message);

/// <summary>The run needs more memory than there is. Its sizes tell this before it begins.</summary>
internal sealed class DoesNotFitException(string message) : UsageException(message);
