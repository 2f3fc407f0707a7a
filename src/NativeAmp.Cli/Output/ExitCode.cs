namespace NativeAmp.Cli.Output;

/// <summary>Process exit codes.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The work failed: a file, a format, a device, a tolerance.</summary>
    public const int Failure = 1;

    /// <summary>The arguments are not valid.</summary>
    public const int Usage = 2;

    /// <summary>The device or the machine does not have enough memory.</summary>
    public const int OutOfMemory = 3;

    /// <summary>Stopped by Ctrl-C, SIGTERM or SIGHUP: 128 + SIGINT, as in shells. The work so far is saved.</summary>
    public const int Interrupted = 130;

    /// <summary>Exit code of a process that the system killed: 128 + SIGKILL.</summary>
    public const int Killed = 137;
}
