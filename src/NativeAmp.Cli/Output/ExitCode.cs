namespace NativeAmp.Cli.Output;

/// <summary>What the process says to whoever started it.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The work failed: a file, a format, a device, a tolerance.</summary>
    public const int Failure = 1;

    /// <summary>The arguments make no sense.</summary>
    public const int Usage = 2;

    /// <summary>The device, or the machine, has not enough memory.</summary>
    public const int OutOfMemory = 3;

    /// <summary>Stopped by Ctrl-C, SIGTERM or SIGHUP: 128 + SIGINT, as shells say it. What was done is saved.</summary>
    public const int Interrupted = 130;

    /// <summary>What a process that the system killed has: 128 + SIGKILL.</summary>
    public const int Killed = 137;
}
