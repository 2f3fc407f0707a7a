using System.CommandLine;
using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Bench;

/// <summary>nativeamp bench gpt.</summary>
internal sealed class GptBenchCommand
{
    // GPT-2's smallest.
    private readonly GptSizeOptions _size = new(
        "The GPT",
        new GptSize(Context: 1024, Width: 768, Heads: 12, Blocks: 12)
    );

    private readonly Option<int> _vocabulary = NumberOption.Whole(
        "--vocabulary",
        50257,
        2,
        1 << 24,
        "The GPT: number of tokens that there are."
    );

    private readonly Option<int> _batch = NumberOption.Whole("--batch", 8, 1, 1 << 20, "Sequences of a step.");

    private readonly Option<string> _precision = CommonOptions.OneOf(
        "--precision",
        "bf16",
        "Precision of products and attention.",
        [.. Enum.GetNames<PrecisionKind>().Select(name => name.ToLowerInvariant())]
    );

    private readonly Option<string?> _gpu = CommonOptions.Path(
        "--gpu",
        "NAME|FILE.json",
        "GPU whose data sheet each time is compared with, as of 'nativeamp plan'."
    );

    private readonly BenchOptions _options = new(seconds: 30);

    /// <summary>The command, to be added to bench.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "gpt",
            "Time the operators of a GPT's training step, forward and with their backward pass, and the whole step; by "
                + "default of GPT-2's size, 124M."
        )
        {
            _size.Context,
            _size.Width,
            _size.Heads,
            _size.Blocks,
            _vocabulary,
            _batch,
            _precision,
            _gpu,
        };
        _options.AddTo(command);
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        GptSize size = _size.Of(parsed);
        if (size.Width % size.Heads != 0)
            throw new UsageException(
                $"--heads is {size.Heads}, which does not divide --width {size.Width}; each head has a part of the width."
            );
        PrecisionKind precision = Enum.Parse<PrecisionKind>(parsed.GetValue(_precision)!, ignoreCase: true);
        var shape = new GptShape(size, parsed.GetValue(_vocabulary), parsed.GetValue(_batch), precision.ComputeType());
        if (shape.Tokens > int.MaxValue)
            throw new UsageException(
                $"--batch {shape.Batch} sequences of --context {size.Context} are more than {int.MaxValue} tokens."
            );
        GpuPeak? peak = PeakOf(parsed.GetValue(_gpu), precision);
        return _options.Run(
            parsed,
            terminal,
            (device, seconds, announce) => new GptRun(device, shape, peak, announce).Measure(seconds),
            GptBenchJson.Default.GptRowArray,
            (rows, info) => Write(rows, shape, info, terminal)
        );
    }

    private static GpuPeak? PeakOf(string? name, PrecisionKind precision)
    {
        if (name is null)
            return null;
        Gpu gpu = PlanCatalog.Standard.Gpu(name);
        TrainingPrecision products = precision switch
        {
            PrecisionKind.Fp16 => TrainingPrecision.Fp16,
            PrecisionKind.Bf16 => TrainingPrecision.Bf16,
            _ => TrainingPrecision.Fp32,
        };
        return new GpuPeak(gpu.Peak(products), gpu.MemoryBandwidth);
    }

    private static void Write(GptRow[] rows, GptShape shape, DeviceInfo info, Terminal terminal)
    {
        string libraries = info.Kind == DeviceKind.Cpu ? $"{info.Threads} threads, SIMD {info.Simd}" : info.Libraries;
        terminal.Output.WriteLine(
            FormattableString.Invariant(
                $"{shape.Batch} x {shape.Size.Context} tokens, width {shape.Size.Width}, {shape.Size.Heads} heads, {shape.Size.Blocks} blocks, vocabulary {shape.Vocabulary}, {shape.DType.Name()}, on {info.Name}, {libraries}"
            )
        );
        bool copied = rows.Any(row => row.FractionOfCopy is not null);
        bool planned = rows.Any(row => row.FractionOfPeak is not null);
        string[] copyColumn = copied ? ["of copy"] : [];
        string[] peakColumn = planned ? ["of data sheet"] : [];
        terminal.WriteTable(
            ["operator", "median ms", "quartiles", "TFLOP/s", "MB", "GB/s", .. copyColumn, .. peakColumn],
            [
                .. rows.Select(row =>
                    (string[])
                        [
                            row.Name,
                            BenchFigures.Of(row.SecondsMedian * 1e3),
                            $"{BenchFigures.Of(row.SecondsLowerQuartile * 1e3)} to {BenchFigures.Of(row.SecondsUpperQuartile * 1e3)}",
                            BenchFigures.OrNone(row.TflopPerS),
                            BenchFigures.OrNone(row.Bytes * 1e-6),
                            BenchFigures.OrNone(row.GbPerS),
                            .. copied ? (string[])[BenchFigures.Fraction(row.FractionOfCopy)] : [],
                            .. planned ? (string[])[BenchFigures.Fraction(row.FractionOfPeak)] : [],
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine(
            "TFLOP/s counts products alone; MB are the bytes that an operator has to move at least. With backward: both "
                + "passes."
        );
        if (copied)
            terminal.Output.WriteLine(
                "Of copy: the time of the driver's copy of as many bytes, half read and half written, in turns with the "
                    + "operator, divided by the operator's."
            );
        if (planned)
            terminal.Output.WriteLine(
                "Of data sheet: the time of products or bytes, whichever is longer, at the GPU's published peaks, "
                    + "divided by the median."
            );
        foreach (GptRow row in rows.Where(row => row.TokensPerS is not null))
            terminal.Output.WriteLine(
                $"{row.Name}: {row.TokensPerS!.Value.ToString("0", CultureInfo.InvariantCulture)} tokens/s"
            );
    }
}
