using System.Globalization;
using System.Text.RegularExpressions;

namespace NativeAmp.Cli.Train;

/// <summary>The network of a run as the text that its checkpoints have among their facts.</summary>
internal static partial class ModelFact
{
    /// <summary>The fact's name.</summary>
    public const string Name = "model";

    // Checkpoints from before there was a choice have the text without it.
    private const string Tanh = ", tanh gelu";

    /// <summary>The text.</summary>
    public static string Of(ModelKind model, GptSize gpt) =>
        model == ModelKind.Gpt
            ? $"gpt, context {gpt.Context}, width {gpt.Width}, heads {gpt.Heads}, blocks {gpt.Blocks}"
                + (gpt.TanhGelu ? Tanh : "")
            : model.ToString().ToLowerInvariant();

    /// <summary>The number of heads, and whether the GELU is the tanh approximation; null if the text is not of a
    /// gpt.</summary>
    public static (int Heads, bool TanhGelu)? OfGpt(string text) =>
        Pattern().Match(text) is { Success: true } match
        && int.TryParse(match.Groups["heads"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int heads)
            ? (heads, match.Groups["tanh"].Success)
            : null;

    [GeneratedRegex($"^gpt, context [0-9]+, width [0-9]+, heads (?<heads>[0-9]+), blocks [0-9]+(?<tanh>{Tanh})?$")]
    private static partial Regex Pattern();
}
