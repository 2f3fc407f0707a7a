using System.CommandLine;
using System.CommandLine.Help;
using NativeAmp.Cli.Bench;
using NativeAmp.Cli.Doctor;
using NativeAmp.Cli.Export;
using NativeAmp.Cli.Formats;
using NativeAmp.Cli.Generate;
using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Plan;
using NativeAmp.Cli.Quantize;
using NativeAmp.Cli.Study;
using NativeAmp.Cli.Train;
using NativeAmp.Cli.Verify;

namespace NativeAmp.Cli;

/// <summary>All commands.</summary>
internal static class CommandTree
{
    /// <summary>Builds the root command, which writes to a terminal.</summary>
    public static Command Build(Terminal terminal) =>
        // Not a RootCommand, which would take the assembly's name.
        new(
            "nativeamp",
            "Mixed-precision training for .NET: train a network, check this machine against golden files, time its "
                + "kernels, or see what was found."
        )
        {
            new HelpOption { Recursive = true },
            new VersionOption(),
            new TrainCommand().Build(terminal),
            new StudyCommand().Build(terminal),
            new VerifyCommand().Build(terminal),
            new BenchCommand().Build(terminal),
            new PlanCommand().Build(terminal),
            new DoctorCommand().Build(terminal),
            new FormatsCommand().Build(terminal),
            new InspectCommand().Build(terminal),
            new ExportCommand().Build(terminal),
            new QuantizeCommand().Build(terminal),
            new EvaluateCommand().Build(terminal),
            new GenerateCommand().Build(terminal),
            CommandRunner.Verbose(),
        };
}
