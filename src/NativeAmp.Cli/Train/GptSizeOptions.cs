using System.CommandLine;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Train;

/// <summary>The options of the language model's size, with their ranges, for every command that has them.</summary>
/// <param name="of">The beginning of their help texts.</param>
/// <param name="defaults">Their default values.</param>
internal sealed class GptSizeOptions(string of, GptSize defaults)
{
    /// <summary>With the sizes of the command's own model.</summary>
    public GptSizeOptions(string of)
        : this(of, new GptSize(Context: 128, Width: 256, Heads: 8, Blocks: 4)) { }

    /// <summary>The value of --gelu for the tanh approximation.</summary>
    public const string Tanh = "tanh";

    /// <summary>Length of the context, in bytes.</summary>
    public Option<int> Context { get; } =
        NumberOption.Whole(
            "--context",
            defaults.Context,
            1,
            GptSize.MostContext,
            $"{of}: length of the context, in bytes."
        );

    /// <summary>Width of the model.</summary>
    public Option<int> Width { get; } =
        NumberOption.Whole("--width", defaults.Width, 1, GptSize.MostWidth, $"{of}: width of the model.");

    /// <summary>Heads of each attention.</summary>
    public Option<int> Heads { get; } =
        NumberOption.Whole("--heads", defaults.Heads, 1, GptSize.MostWidth, $"{of}: heads of each attention.");

    /// <summary>Transformer blocks.</summary>
    public Option<int> Blocks { get; } =
        NumberOption.Whole("--blocks", defaults.Blocks, 1, GptSize.MostBlocks, $"{of}: transformer blocks.");

    /// <summary>The GELU of a model, as erf or tanh.</summary>
    public static Option<string> Gelu(string description) =>
        CommonOptions.OneOf("--gelu", "erf", description, "erf", Tanh);

    /// <summary>Whether it is the tanh approximation; null if the command line does not say.</summary>
    public static bool? IsTanh(ParseResult parsed, Option<string> gelu) =>
        parsed.GetResult(gelu) is { Implicit: false } ? parsed.GetValue(gelu) == Tanh : null;

    /// <summary>The size from the command line.</summary>
    public GptSize Of(ParseResult parsed) =>
        new(parsed.GetValue(Context), parsed.GetValue(Width), parsed.GetValue(Heads), parsed.GetValue(Blocks));
}
