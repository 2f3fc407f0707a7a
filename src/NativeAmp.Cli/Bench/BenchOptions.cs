using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using NativeAmp.Cli.Output;
using Spectre.Console;

namespace NativeAmp.Cli.Bench;

/// <summary>The options of every measurement, and how it is run and shown.</summary>
/// <param name="seconds">The default of --seconds.</param>
internal sealed class BenchOptions(double seconds)
{
    private readonly Option<double> _seconds = NumberOption.Real(
        "--seconds",
        seconds,
        new RealRange(0.001, 3600, "a number from 0.001 to 3600"),
        "Approximate seconds to measure."
    );

    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<string> _device = CommonOptions.Device();
    private readonly Option<bool> _json = CommonOptions.Json("Write a JSON array instead of a table.");

    /// <summary>Adds them to a command, behind its own.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_seconds);
        command.Options.Add(_threads);
        command.Options.Add(_device);
        command.Options.Add(_json);
    }

    /// <summary>Measures on the device that the command line names, and writes the rows.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="terminal">Where to write.</param>
    /// <param name="measure">Takes the device, the seconds, and what it calls with the next measurement's
    /// name.</param>
    /// <param name="json">How rows are written as JSON.</param>
    /// <param name="write">Writes them as a table.</param>
    public int Run<T>(
        ParseResult parsed,
        Terminal terminal,
        Func<Device, double, Action<string>, T[]> measure,
        JsonTypeInfo<T[]> json,
        Action<T[], DeviceInfo> write
    )
    {
        using Device device = CommonOptions.Open(parsed.GetValue(_device)!, terminal, parsed.GetValue(_threads));
        bool isJson = parsed.GetValue(_json);
        double seconds = parsed.GetValue(_seconds);
        T[] rows =
            !isJson && terminal.Live is { } live
                ? live.Status()
                    .Start("measuring", status => measure(device, seconds, next => status.Status(Markup.Escape(next))))
                : measure(device, seconds, _ => { });
        if (isJson)
            terminal.Output.WriteLine(JsonSerializer.Serialize(rows, json));
        else
            write(rows, device.Info);
        return ExitCode.Success;
    }
}
