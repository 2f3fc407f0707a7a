using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Inspect;

/// <summary>An inspection for people: a line a tensor, or a block where the terminal is narrow or details are asked for, and what it comes to.</summary>
internal static class InspectText
{
    private const int NarrowBelow = 110;

    private static readonly NumberFormat[] Main = [NumberFormat.Float16, NumberFormat.BFloat16, NumberFormat.Float8E4M3, NumberFormat.Float8E5M2];

    public static void Write(InspectReport report, bool detail, Terminal terminal)
    {
        bool narrow = terminal.Live is { } live && live.Profile.Width < NarrowBelow;
        if (detail || narrow)
        {
            foreach (TensorReport tensor in report.Tensors)
                WriteBlock(tensor, detail, terminal);
        }
        else
        {
            terminal.WriteTable(["tensor", "type", "values", "zeros", "powers of two", .. Main.Select(format => format.Name), ""], [.. report.Tensors.Select(Row)]);
        }

        foreach (TensorReport total in report.Totals.Where(total => total.Kind != TensorKinds.Counter))
            WriteTotal(total, terminal, narrow);
    }

    private static IReadOnlyList<string> Row(TensorReport tensor) =>
    [
        tensor.Name, tensor.DType, FigureText.Number(tensor.Count), FigureText.Share(tensor.Zeros, tensor.Count), FigureText.Range(tensor),
        .. Main.Select(format => FigureText.Cell(tensor, tensor.Of(format))), FigureText.NotFinite(tensor),
    ];

    private static void WriteBlock(TensorReport tensor, bool detail, Terminal terminal)
    {
        TextWriter output = terminal.Output;
        output.WriteLine($"{tensor.Name}  {tensor.DType} [{string.Join(", ", tensor.Shape)}]");
        string notFinite = FigureText.NotFinite(tensor);
        output.WriteLine($"  {FigureText.Number(tensor.Count)} values, zeros {FigureText.Share(tensor.Zeros, tensor.Count)}, {FigureText.Range(tensor)}{(notFinite.Length > 0 ? $", {notFinite}" : "")}");
        if (!detail)
        {
            foreach (NumberFormat format in Main)
                output.WriteLine($"  {format.Name}: {FigureText.Cell(tensor, tensor.Of(format))}");
            return;
        }

        foreach (string line in FigureText.Histogram(tensor, Main))
            output.WriteLine($"  {line}".TrimEnd());
        WriteFormats(tensor, terminal, narrow: false);
        output.WriteLine();
    }

    private static void WriteTotal(TensorReport total, Terminal terminal, bool narrow)
    {
        terminal.Output.WriteLine();
        string notFinite = FigureText.NotFinite(total);
        terminal.Output.WriteLine($"{total.Name}: {FigureText.Number(total.Count)} values, zeros {FigureText.Share(total.Zeros, total.Count)}, {FigureText.Range(total)}" +
            (notFinite.Length > 0 ? $", {notFinite}" : ""));
        if (total.Values == 0)
            return;
        WriteFormats(total, terminal, narrow);
        if (TensorKinds.AreScaled(total.Kind))
            terminal.Output.WriteLine(LossScale(total));
    }

    /// <summary>The loss scale that keeps most of gradients in fp16.</summary>
    public static string LossScale(TensorReport gradients)
    {
        FormatReport half = gradients.Of(NumberFormat.Float16);
        string what = gradients.Kind == TensorKinds.Gradient ? "these gradients" : "these running means of gradients";
        string scale = half.BestScalePower == 0 ? "no loss scale" : string.Create(CultureInfo.InvariantCulture,
            $"a loss scale of {FigureText.Power(half.BestScalePower)} ({Math.ScaleB(1, half.BestScalePower):0.########})");
        return $"In fp16 {scale} keeps most of {what}: {FigureText.Share(half.BestUnderflow, gradients.Values)} become zero " +
            $"and {FigureText.Share(half.BestSubnormal, gradients.Values)} subnormal, against {FigureText.Share(half.Underflow, gradients.Values)} and " +
            $"{FigureText.Share(half.Subnormal, gradients.Values)} without{(half.Overflow > 0 ? $", where {FigureText.Share(half.Overflow, gradients.Values)} overflow" : "")}.";
    }

    private static void WriteFormats(TensorReport tensor, Terminal terminal, bool narrow)
    {
        if (narrow)
        {
            foreach (FormatReport format in tensor.Formats)
                terminal.Output.WriteLine($"  {format.Format}: {FigureText.Cell(tensor, format)}; best {FigureText.Power(format.BestScalePower)}: {FigureText.Decibels(format.BestSnrDb, format.Exact)}");
            return;
        }

        terminal.WriteTable(["format", "overflow", "to zero", "subnormal", "signal/noise", "best scale", "to zero then", "subnormal then", "signal/noise then"],
            [.. tensor.Formats.Select(format => (IReadOnlyList<string>)
            [
                format.Format, FigureText.Share(format.Overflow, tensor.Values), FigureText.Share(format.Underflow, tensor.Values), FigureText.Share(format.Subnormal, tensor.Values),
                FigureText.Decibels(format.SnrDb, format.Exact), FigureText.Power(format.BestScalePower), FigureText.Share(format.BestUnderflow, tensor.Values),
                FigureText.Share(format.BestSubnormal, tensor.Values), FigureText.Decibels(format.BestSnrDb, format.Exact && format.BestScalePower == 0),
            ])]);
    }
}
