using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Data;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Quantize;

/// <summary>nativeamp quantize.</summary>
internal sealed class QuantizeCommand
{
    private const int MostShown = 3;

    // As GPTQ's paper has.
    private const int DefaultSamples = 128;

    private readonly Argument<string> _path = new("FILE")
    {
        Description = "A folder of checkpoints of train, a checkpoint, or a model as safetensors: cnn, mlp or gpt.",
    };
    private readonly Option<string> _to = CommonOptions.OneOf(
        "--to",
        "int8",
        "int8 or int4 weights with floating-point activations, or with activations of 8 bits (int8-dynamic: a scale a "
            + "row; int8-static: a scale a layer, found by --calibrate, convolutions too; int4-dynamic: a scale a "
            + "group of a row).",
        "int8",
        "int8-dynamic",
        "int8-static",
        "int4",
        "int4-dynamic"
    );
    private readonly Option<string> _group = CommonOptions.OneOf(
        "--group",
        "64",
        "int4 and int4-dynamic: inputs that share a scale.",
        "32",
        "64",
        "128",
        "256"
    );
    private readonly Option<string> _method = CommonOptions.OneOf(
        "--method",
        "rtn",
        "rtn rounds to nearest, hqq chooses scales that let outliers count less, gptq rounds by inputs (--calibrate).",
        "rtn",
        "hqq",
        "gptq"
    );
    private readonly Option<string?> _calibrate = CommonOptions.Path(
        "--calibrate",
        "fashion-mnist|DIR|FILE",
        "int8-static, gptq, --fine-tune: data such as the network will see; the training images of fashion-mnist or of a "
            + "folder; a text for gpt."
    );
    private readonly Option<long?> _samples = NumberOption.Whole(
        "--calibration-samples",
        1L,
        1_000_000L,
        $"int8-static, gptq: the first N images, or windows of the text [default: {DefaultSamples}]."
    );
    private readonly Option<string> _observer = CommonOptions.OneOf(
        "--observer",
        "mse",
        "int8-static: the range of an input that codes represent: that of least squared error, all of it (min-max), or "
            + "without the values beyond a percentile.",
        "mse",
        "min-max",
        "percentile"
    );
    private readonly Option<double?> _percentile = NumberOption.Real(
        "--percentile",
        new RealRange(50, 100, "above 50 and at most 100"),
        "percentile: percent of the values within the range, at each end [default: 99.99]."
    );
    private readonly Option<string[]> _keep = new("--keep")
    {
        HelpName = "NAME",
        Description = "A layer that stays float32, such as block0.expand; may be given several times.",
        DefaultValueFactory = _ => [],
    };
    private readonly FineTuning _tuning = new();
    private readonly QuantizeOptions _gpt = new();
    private readonly Option<string> _device = CommonOptions.Device("cpu");
    private readonly Option<string?> _out = CommonOptions.Path(
        "--out",
        "FILE.(safetensors|onnx|gguf)",
        "The quantised model: safetensors for NativeAmp, onnx for ONNX Runtime, gguf for llama.cpp (gpt) [default: none; "
            + "only report]."
    );
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "quantize",
            "Turn a trained network's weights into integers, and show each layer's signal-to-noise ratio."
        )
        {
            _path,
            _to,
            _group,
            _method,
            _calibrate,
            _samples,
            _observer,
            _percentile,
            _keep,
            _tuning.Steps,
            _tuning.Batch,
            _tuning.LearningRate,
            _tuning.Seed,
            _gpt.Heads,
            _gpt.Gelu,
            _device,
            _out,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        string to = parsed.GetValue(_to)!;
        if (parsed.GetResult(_group) is { Implicit: false } && to is not ("int4" or "int4-dynamic"))
            throw new UsageException("--group needs --to int4 or int4-dynamic: int8 has one scale an output.");
        if (parsed.GetResult(_observer) is { Implicit: false } && to != "int8-static")
            throw new UsageException("--observer needs --to int8-static: the others have no range of inputs.");
        if (parsed.GetValue(_percentile) is not null && parsed.GetValue(_observer) != "percentile")
            throw new UsageException("--percentile needs --observer percentile.");
        var scheme = new QuantizationScheme
        {
            Kind = to switch
            {
                "int4" => QuantizationKind.Int4,
                "int4-dynamic" => QuantizationKind.Int4Dynamic,
                "int8-dynamic" => QuantizationKind.Int8Dynamic,
                "int8-static" => QuantizationKind.Int8Static,
                _ => QuantizationKind.Int8,
            },
            Group = int.Parse(parsed.GetValue(_group)!, CultureInfo.InvariantCulture),
            Method = Enum.Parse<QuantizationMethod>(parsed.GetValue(_method)!, ignoreCase: true),
            Observer = Enum.Parse<QuantizationObserver>(
                parsed.GetValue(_observer)!.Replace("-", "", StringComparison.Ordinal),
                ignoreCase: true
            ),
            Percentile = parsed.GetValue(_percentile) ?? 99.99,
            Keep = [.. parsed.GetValue(_keep)!],
        };
        bool calibrates = scheme.Kind == QuantizationKind.Int8Static || scheme.Method == QuantizationMethod.Gptq;
        bool trains = _tuning.IsAsked(parsed, scheme);
        if (
            !calibrates
            && (parsed.GetValue(_samples) is not null || (!trains && parsed.GetValue(_calibrate) is not null))
        )
            throw new UsageException(
                "--calibrate and --calibration-samples need --to int8-static or --method gptq, and --calibrate may be for "
                    + "--fine-tune: the others need no data."
            );
        using Device device = CommonOptions.Open(parsed.GetValue(_device)!, terminal);
        using NetworkFile file = _gpt.Open(parsed.GetValue(_path)!, device, parsed);
        if (file.Scheme is not null)
            throw new UsageException($"{file.Path} is quantised already; give the float32 model.");
        var output = QuantizedOutput.Of(parsed.GetValue(_out), file, _out.Name);
        bool json = parsed.GetValue(_json);
        IDataset? data =
            calibrates || trains ? NetworkData.OpenTraining(file, parsed.GetValue(_calibrate), _calibrate.Name) : null;
        IDataset? sample =
            calibrates && data is not null
                ? NetworkData.First(data, parsed.GetValue(_samples) ?? DefaultSamples)
                : null;
        Action<Module>? calibrate = sample is null ? null : _ => NetworkData.Measure(file, sample, device);

        QuantizationReport report;
        float? loss = null;
        if (trains)
        {
            using ITrainProgress progress = ITrainProgress.Create(terminal, json);
            if (_tuning.Run(parsed, file, scheme, calibrate, data!, device, progress) is not { } tuned)
                return ExitCode.Interrupted;
            (report, loss) = tuned;
        }
        else
            report = OrUsage(() => Quantizer.Quantize(file.Model, scheme, calibrate));

        output?.Save(file, scheme);
        Write(report, loss, output?.Path, json, terminal);
        return ExitCode.Success;
    }

    /// <summary>Turns a refusal of the quantiser into a wrong use of the command.</summary>
    internal static T OrUsage<T>(Func<T> quantize)
    {
        try
        {
            return quantize();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw new UsageException(e.Message);
        }
    }

    private static void Write(QuantizationReport report, float? loss, string? path, bool json, Terminal terminal)
    {
        LayerRow[] rows =
        [
            .. report.Layers.Select(layer => new LayerRow(
                layer.Name,
                layer.Weight.Shape.Dimensions.ToArray(),
                layer.Weight.ByteLength,
                Finite(layer.SignalToNoise)
            )),
        ];
        if (json)
        {
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(
                    new QuantizeSummary(rows, report.BytesBefore, report.BytesAfter, path, loss),
                    QuantizeJson.Default.QuantizeSummary
                )
            );
            return;
        }

        terminal.WriteTable(
            ["layer", "weight", "bytes", "signal to noise"],
            [
                .. rows.Select(row =>
                    (IReadOnlyList<string>)
                        [
                            row.Name,
                            string.Join(" × ", row.Shape),
                            row.Bytes.ToString("N0", CultureInfo.InvariantCulture),
                            Decibels(row.SignalToNoise),
                        ]
                ),
            ]
        );
        string worst = Worst(rows.Select(row => (row.Name, row.SignalToNoise)));
        terminal.Output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{report.BytesBefore:N0} bytes become {report.BytesAfter:N0} "
                    + $"({(double)report.BytesBefore / report.BytesAfter:0.00} times smaller); noisiest: {worst}"
            )
        );
        foreach (FoldedBatchNorm norm in report.BatchNorms.Folded)
            terminal.Output.WriteLine($"batch norm {norm.Name} is folded into {norm.Convolution}");
        foreach (KeptBatchNorm norm in report.BatchNorms.Kept)
            terminal.Output.WriteLine($"batch norm {norm.Name} stays: {norm.Reason}");
        if (path is not null)
            terminal.Output.WriteLine($"wrote {path}");
    }

    /// <summary>Decibels as they are shown; null without an error.</summary>
    internal static double? Finite(double decibels) => double.IsFinite(decibels) ? Math.Round(decibels, 2) : null;

    /// <summary>The noisiest few layers, in words.</summary>
    internal static string Worst(IEnumerable<(string Name, double? SignalToNoise)> layers) =>
        string.Join(
            ", ",
            layers
                .OrderBy(layer => layer.SignalToNoise ?? double.PositiveInfinity)
                .Take(MostShown)
                .Select(layer => $"{layer.Name} {Decibels(layer.SignalToNoise)}")
        );

    private static string Decibels(double? value) =>
        value is { } finite ? string.Create(CultureInfo.InvariantCulture, $"{finite:0.0} dB") : "exact";
}
