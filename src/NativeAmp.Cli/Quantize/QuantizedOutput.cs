using NativeAmp.Cli.Export;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Cli.Quantize;

/// <summary>The file of --out, whose name's end says its format; without one it is our own.</summary>
/// <param name="Path">The file.</param>
/// <param name="Format">Another program's format; null for our own.</param>
internal sealed record QuantizedOutput(string Path, ExportFormat? Format)
{
    private const string Own = "safetensors";

    /// <summary>The output of a network; null without a path.</summary>
    /// <param name="path">The value of the option, or null.</param>
    /// <param name="source">The network, before it is quantised.</param>
    /// <param name="option">The option, for messages.</param>
    /// <exception cref="UsageException">The name has another end, the format does not take the network, or the file is
    /// the network's own.</exception>
    public static QuantizedOutput? Of(string? path, NetworkFile source, string option)
    {
        if (path is null)
            return null;
        NetworkFile.CheckOutput(path, source.Path, option);
        string end = System.IO.Path.GetExtension(path).TrimStart('.').ToLowerInvariant();
        if (end is "" or Own)
            return new QuantizedOutput(path, null);
        ExportFormat[] others = [.. ExportFormat.All.Where(each => each.TakesIntegers)];
        string[] ends = [Own, .. others.Select(each => each.Name)];
        ExportFormat format =
            others.FirstOrDefault(each => each.Name == end)
            ?? throw new UsageException(
                $"{option} is '{path}'; a name ends in {string.Join(", ", ends.Select(Dotted))}."
            );
        format.Check(source, $"{option} {path}");
        return new QuantizedOutput(path, format);
    }

    /// <summary>Writes the quantised network.</summary>
    public void Save(NetworkFile file, QuantizationScheme scheme)
    {
        if (Format is null)
            QuantizedFile.Save(file.Model, Path, scheme, file.Facts);
        else
            Format.Save(file, Path, Format.TypeOf(null));
    }

    private static string Dotted(string end) => "." + end;
}
