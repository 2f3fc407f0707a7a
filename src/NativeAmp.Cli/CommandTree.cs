using System.CommandLine;
using NativeAmp.Cli.Doctor;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Cli.Verify;

namespace NativeAmp.Cli;

/// <summary>All commands.</summary>
internal static class CommandTree
{
    /// <summary>The root, writing to a terminal.</summary>
    public static RootCommand Build(Terminal terminal) =>
        new("Mixed-precision training for .NET: train a network, check this machine against golden files, or see what was found.")
        {
            new TrainCommand().Build(terminal),
            new VerifyCommand().Build(terminal),
            new DoctorCommand().Build(terminal),
            CommandRunner.Verbose,
        };
}
