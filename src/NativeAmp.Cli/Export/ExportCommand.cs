using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Quantize;
using NativeAmp.Cli.Train;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Export;

/// <summary>nativeamp export.</summary>
internal sealed partial class ExportCommand
{
    private readonly Argument<string> _path = new("FILE")
    {
        Description =
            "A folder of checkpoints (its newest), a checkpoint, a safetensors file of the weights of cnn, gpt or mlp, "
            + "or a quantised file (onnx, gguf).",
    };
    private readonly Option<string> _to = CommonOptions.OneOf(
        "--to",
        ExportFormat.All[0].Name,
        "onnx for ONNX Runtime; gguf for llama.cpp and transformers for Hugging Face, which take gpt.",
        [.. ExportFormat.All.Select(format => format.Name)]
    );
    private readonly Option<string?> _dtype = new("--dtype")
    {
        HelpName = "TYPE",
        Description =
            "Type of the weights. "
            + string.Join("; ", ExportFormat.All.Select(format => $"{format.Name}: {string.Join(", ", format.Types)}"))
            + " [default: the first]. Of a quantised file for gguf: of the matrices that are no integers.",
    };
    private readonly Option<string?> _out = CommonOptions.Path(
        "--out",
        "FILE",
        "The file to write; for transformers, the folder."
    );
    private readonly Option<string?> _image = new("--image")
    {
        HelpName = "HEIGHTxWIDTH",
        Description = "cnn: size of the images [default: the smallest square that fits the weights].",
    };
    private readonly Option<int?> _heads = NumberOption.Whole(
        "--heads",
        1,
        GptSize.MostWidth,
        "gpt: heads of each attention [default: the checkpoint's; other files do not say them]."
    );
    private readonly Option<string> _gelu = GptSizeOptions.Gelu(
        "gpt: GELU of a file that is no checkpoint, by the error function or the tanh approximation."
    );
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new("export", "Write a trained network for other programs: ONNX, GGUF, transformers.")
        {
            _path,
            _to,
            _dtype,
            _out,
            _image,
            _heads,
            _gelu,
            _json,
        };
        command.SetAction(parsed => Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        ExportFormat format = ExportFormat.All.Single(each => each.Name == parsed.GetValue(_to));
        string type = format.TypeOf(parsed.GetValue(_dtype));
        string path = NetworkFile.Resolve(parsed.GetValue(_path)!);
        string output = parsed.GetValue(_out) ?? throw new UsageException("--out is missing: it is the file to write.");
        NetworkFile.CheckOutput(output, path, _out.Name);
        using Device device = Device.Cpu();
        using NetworkFile source = NetworkFile.Open(path, Hints(parsed), device);
        bool hasDtype = parsed.GetValue(_dtype) is not null;
        if (source.Scheme is not null && (!format.TakesIntegers || (hasDtype && !format.HasTypeBesideIntegers)))
            throw new UsageException(
                $"{path} is quantised already: --to onnx and gguf write its integers as they are, onnx without --dtype. "
                    + "For a type of another format export the floating-point weights."
            );
        string kind = source.Kind.ToString().ToLowerInvariant();
        format.Check(source, $"--to {format.Name}");
        // Before the weights may become integers, which are no parameters.
        long parameters =
            source.Model.ParameterCount()
            + IQuantizable.Of(source.Model).Where(each => each.Layer.FloatWeight is null).Sum(Codes);
        IReadOnlyList<string> files = format.Save(source, output, type);

        string written = source.Scheme is { } scheme ? SchemeText.Of(scheme) : type;
        var report = new ExportReport(
            kind,
            parameters,
            format.Name,
            written,
            path,
            output,
            files.Sum(file => new FileInfo(file).Length)
        );
        terminal.Output.WriteLine(
            parsed.GetValue(_json)
                ? JsonSerializer.Serialize(report, ExportJson.Default.ExportReport)
                : $"{kind}, {report.Parameters:N0} parameters, of {path}: {output}, {format.Name} in {type}, "
                    + $"{report.Bytes:N0} bytes"
        );
        return ExitCode.Success;
    }

    private NetworkHints Hints(ParseResult parsed)
    {
        (int, int)? image = null;
        if (parsed.GetValue(_image) is { } text)
        {
            Match match = ImageSize().Match(text);
            image = match.Success
                ? (Size(match.Groups[1]), Size(match.Groups[2]))
                : throw new UsageException($"--image is '{text}'; it is HEIGHTxWIDTH, as 28x28, each from 4 to 99999.");
        }

        return new NetworkHints(image, parsed.GetValue(_heads), GptSizeOptions.IsTanh(parsed, _gelu));

        static int Size(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);
    }

    private static long Codes((string Name, IQuantizable Layer) each) => each.Layer.Quantized!.Shape.Count;

    [GeneratedRegex("^([4-9]|[1-9][0-9]{1,4})x([4-9]|[1-9][0-9]{1,4})$")]
    private static partial Regex ImageSize();
}

/// <summary>The result of an export, for --json.</summary>
internal sealed record ExportReport(
    string Model,
    long Parameters,
    string To,
    string Dtype,
    string File,
    string Out,
    long Bytes
);

/// <summary>Serialization of the report.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ExportReport))]
internal sealed partial class ExportJson : JsonSerializerContext;
