using System.CommandLine;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Quantize;

/// <summary>The options that quantize and evaluate share.</summary>
internal static class QuantizeOptions
{
    /// <summary>Heads of gpt, which no tensor's shape tells.</summary>
    public static Option<int?> Heads() =>
        NumberOption.Whole(
            "--heads",
            1,
            GptSize.MostWidth,
            "gpt: heads of each attention [default: as the file says, else one for each 32 of the width]."
        );

    /// <summary>Opens a model.</summary>
    /// <exception cref="UsageException">FILE is empty.</exception>
    public static ModelOfFile Open(string path, Device device, int? heads) =>
        string.IsNullOrWhiteSpace(path)
            ? throw new UsageException("FILE is empty.")
            : ModelOfFile.Open(path, device, heads);
}
