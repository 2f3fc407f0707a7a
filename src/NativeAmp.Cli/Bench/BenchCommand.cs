using System.CommandLine;
using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Bench;

/// <summary>nativeamp bench.</summary>
internal sealed class BenchCommand
{
    private const long MostParameters = 1L << 40;

    private readonly Option<string> _parameters = new("--params")
    {
        Description = "Parameters of the step, such as 64Mi, 500Ki or 1000000.",
        HelpName = "N",
        DefaultValueFactory = _ => "64Mi",
    };

    private readonly BenchOptions _options = new(seconds: 20);

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "bench",
            "Time the kernels of an optimizer step, each in turns with its limit: the same loads and stores without "
                + "arithmetic."
        )
        {
            _parameters,
            new GptBenchCommand().Build(terminal),
        };
        _options.AddTo(command);
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    /// <summary>Reads a number with one of the suffixes Ki, Mi and Gi, or none.</summary>
    /// <exception cref="UsageException">It is not a number, or is too large.</exception>
    public static long ParseCount(string text)
    {
        (string digits, int shift) = text switch
        {
            [.. var number, 'K', 'i'] => (number, 10),
            [.. var number, 'M', 'i'] => (number, 20),
            [.. var number, 'G', 'i'] => (number, 30),
            _ => (text, 0),
        };
        if (
            !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            || count < 1
            || count > MostParameters >> shift
        )
            throw new UsageException($"--params is '{text}'; it is a number from 1 to 1024Gi, such as 64Mi.");
        return count << shift;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        long parameters = ParseCount(parsed.GetValue(_parameters)!);
        return _options.Run(
            parsed,
            terminal,
            (device, seconds, announce) => BenchRun.Measure(device, parameters, seconds, announce),
            BenchJson.Default.BenchRowArray,
            (rows, info) => Write(rows, parsed.GetValue(_parameters)!, info, terminal)
        );
    }

    private static void Write(BenchRow[] rows, string parameters, DeviceInfo info, Terminal terminal)
    {
        string processors =
            info.Kind == DeviceKind.Cpu ? $", {info.Threads} threads, SIMD {info.Simd}" : $", {info.Libraries}";
        terminal.Output.WriteLine($"{parameters} parameters on {info.Name}{processors}");
        bool copied = rows.Any(row => row.FractionOfCopy is not null);
        string[] copyColumns = copied ? ["copy GB/s", "of copy"] : [];
        terminal.WriteTable(
            [
                "kernel",
                "dtype",
                "MB",
                "median ms",
                "quartiles",
                "GB/s",
                "limit GB/s",
                "of limit",
                .. copyColumns,
                "Mparams/s",
            ],
            [.. rows.Select(Cells)]
        );
        terminal.Output.WriteLine(
            "The limit makes the same loads and stores without arithmetic, in turns with the kernel; of limit is the "
                + "median of the turns' ratios."
        );
        if (copied)
            terminal.Output.WriteLine(
                "The copy is the driver's on the device, of as many bytes, half read and half written, in turns with "
                    + "the kernel as well."
            );
    }

    private static string[] Cells(BenchRow row) =>
        [
            row.Name,
            row.Dtype,
            BenchFigures.Of(row.Bytes * 1e-6),
            BenchFigures.Of(row.SecondsMedian * 1e3),
            $"{BenchFigures.Of(row.SecondsLowerQuartile * 1e3)} to {BenchFigures.Of(row.SecondsUpperQuartile * 1e3)}",
            BenchFigures.Of(row.GbPerS),
            BenchFigures.Of(row.LimitGbPerS),
            BenchFigures.Fraction(row.FractionOfLimit),
            .. row is { CopyGbPerS: { } copy, FractionOfCopy: { } fraction }
                ? (string[])[BenchFigures.Of(copy), BenchFigures.Fraction(fraction)]
                : [],
            BenchFigures.Of(row.MparamsPerS),
        ];
}
