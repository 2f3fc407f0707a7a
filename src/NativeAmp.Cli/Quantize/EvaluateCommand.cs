using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training.Data;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Quantize;

/// <summary>nativeamp evaluate.</summary>
internal sealed class EvaluateCommand
{
    // Samples on which layers are compared: all outputs lie in memory, a gpt's for each place of a window.
    private const int ComparedImages = 250;
    private const int ComparedWindows = 8;

    private readonly Argument<string[]> _paths = new("FILE")
    {
        Description = "Models to compare on the same data: files of quantize, checkpoints of train, float models.",
        Arity = ArgumentArity.OneOrMore,
    };
    private readonly Option<string?> _data = CommonOptions.Path(
        "--data",
        "fashion-mnist|DIR|FILE",
        "As of train: the test images of fashion-mnist (the default) or of a folder; a text file for gpt."
    );
    private readonly Option<long?> _samples = NumberOption.Whole(
        "--samples",
        1L,
        long.MaxValue,
        "Only the first N images, or windows of the text [default: all]."
    );
    private readonly QuantizeOptions _gpt = new();
    private readonly Option<string> _device = CommonOptions.Device("cpu");
    private readonly Option<int> _threads = CommonOptions.Threads();
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "evaluate",
            "Measure trained networks, quantised or not: accuracy or perplexity, size and samples a second."
        )
        {
            _paths,
            _data,
            _samples,
            _gpt.Heads,
            _gpt.Gelu,
            _device,
            _threads,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        using Device device = CommonOptions.Open(parsed.GetValue(_device)!, terminal, parsed.GetValue(_threads));
        List<EvaluatedModel> models = [];
        long samples = 0;
        using NetworkFile first = _gpt.Open(parsed.GetValue(_paths)![0], device, parsed);
        foreach ((int i, string path) in parsed.GetValue(_paths)!.Index())
        {
            using NetworkFile? opened = i == 0 ? null : _gpt.Open(path, device, parsed);
            NetworkFile file = opened ?? first;
            IDataset data = NetworkData.First(
                NetworkData.Open(file, parsed.GetValue(_data), _data.Name),
                parsed.GetValue(_samples)
            );
            samples = data.Count;
            models.Add(Measure(file, data, device, first));
        }

        if (parsed.GetValue(_json))
            terminal.Output.WriteLine(
                JsonSerializer.Serialize(new EvaluateSummary(models, samples), QuantizeJson.Default.EvaluateSummary)
            );
        else
            Write(models, samples, terminal);
        return ExitCode.Success;
    }

    private static EvaluatedModel Measure(NetworkFile file, IDataset data, Device device, NetworkFile first)
    {
        if (data.Count == 0)
            throw new UsageException("The data has no samples.");
        bool gpt = file.Kind == ModelKind.Gpt;
        // The first batch also loads code and fills caches.
        _ = NetworkData.Measure(file, NetworkData.First(data, 250), device);
        var watch = Stopwatch.StartNew();
        double value = NetworkData.Measure(file, data, device);
        double seconds = watch.Elapsed.TotalSeconds;
        return new EvaluatedModel(
            file.Path,
            file.Scheme is { } scheme ? SchemeText.Of(scheme) : "float32",
            file.Bytes,
            gpt ? null : value,
            gpt && double.IsFinite(value) ? value : null,
            Math.Round(data.Count / seconds, 1),
            file.Scheme is not null && first.Scheme is null && first.Kind == file.Kind
                ? Compare(first, file, NetworkData.First(data, gpt ? ComparedWindows : ComparedImages), device)
                : null
        );
    }

    private static OutputRow[] Compare(NetworkFile exact, NetworkFile file, IDataset data, Device device)
    {
        try
        {
            return
            [
                .. OutputNoise
                    .Measure(
                        exact.Model,
                        file.Model,
                        model => NetworkData.Measure(model == exact.Model ? exact : file, data, device)
                    )
                    .Select(layer => new OutputRow(layer.Name, QuantizeCommand.Finite(layer.SignalToNoise))),
            ];
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // Of other sizes: it is no quantised form of the first.
            return [];
        }
    }

    private static void Write(List<EvaluatedModel> models, long samples, Terminal terminal)
    {
        bool gpt = models[0].Accuracy is null;
        terminal.WriteTable(
            ["model", "bytes", gpt ? "perplexity" : "accuracy", "samples/s"],
            [
                .. models.Select(model =>
                    (IReadOnlyList<string>)
                        [
                            model.Scheme,
                            model.Bytes.ToString("N0", CultureInfo.InvariantCulture),
                            model.Accuracy is { } accuracy ? Percentage.Fine(accuracy)
                            : model.Perplexity is { } perplexity
                                ? perplexity.ToString("0.0000", CultureInfo.InvariantCulture)
                            : "-",
                            model.SamplesPerSecond.ToString("N0", CultureInfo.InvariantCulture),
                        ]
                ),
            ]
        );
        terminal.Output.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{samples:N0} {(gpt ? "windows" : "images")}")
        );
        foreach (EvaluatedModel model in models.Where(each => each.Layers is { Count: > 0 }))
            terminal.Output.WriteLine(
                $"{model.Scheme}: noisiest outputs "
                    + QuantizeCommand.Worst(model.Layers!.Select(layer => (layer.Name, layer.SignalToNoise)))
            );
    }
}
