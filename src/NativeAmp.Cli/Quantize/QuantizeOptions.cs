using System.CommandLine;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Quantize;

/// <summary>The options that quantize and evaluate share: facts of a gpt that a file of its weights does not
/// have.</summary>
internal sealed class QuantizeOptions
{
    /// <summary>Heads of gpt, which no tensor's shape tells.</summary>
    public Option<int?> Heads { get; } =
        NumberOption.Whole(
            "--heads",
            1,
            GptSize.MostWidth,
            "gpt: heads of each attention [default: the file's; a file of weights alone does not say them]."
        );

    /// <summary>The GELU of gpt.</summary>
    public Option<string> Gelu { get; } =
        GptSizeOptions.Gelu("gpt: GELU of a file of weights alone, by the error function or the tanh approximation.");

    /// <summary>Opens a network.</summary>
    public NetworkFile Open(string path, Device device, ParseResult parsed) =>
        NetworkFile.Open(
            path,
            new NetworkHints(null, parsed.GetValue(Heads), GptSizeOptions.IsTanh(parsed, Gelu), true),
            device
        );
}
