using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Inspect;

/// <summary>
/// Writes an inspection as text: one line for each tensor, or a block if the terminal is narrow or details were
/// requested, and a conclusion.
/// </summary>
internal static class InspectText
{
    private const int NarrowBelow = 110;

    private static readonly NumberFormat[] Main =
    [
        NumberFormat.Float16,
        NumberFormat.BFloat16,
        NumberFormat.Float8E4M3,
        NumberFormat.Float8E5M2,
    ];

    /// <summary>Headings of the table of tensors, in a page.</summary>
    public static IReadOnlyList<string> Columns { get; } =
    ["kind", "tensor", "type", "values", "zeros", "powers of two", .. Main.Select(format => format.Name), "not finite"];

    /// <summary>Headings of the table of formats.</summary>
    public static IReadOnlyList<string> FormatColumns { get; } =
    [
        "format",
        "overflow",
        "to zero",
        "subnormal",
        "signal/noise",
        "best scale",
        "to zero then",
        "subnormal then",
        "signal/noise then",
    ];

    public static void Write(InspectReport report, double scale, bool detail, Terminal terminal)
    {
        bool narrow = terminal.Live is { } live && live.Profile.Width < NarrowBelow;
        if (detail || narrow)
        {
            foreach (TensorReport tensor in report.Tensors)
                WriteBlock(tensor, detail, terminal);
        }
        else
        {
            terminal.WriteTable([.. Columns.Skip(1)], [.. report.Tensors.Select(Row)]);
        }

        foreach (TensorReport total in report.Totals.Where(total => total.Kind != TensorKinds.Counter))
            WriteTotal(total, scale, terminal, narrow);
    }

    /// <summary>A row of the table of tensors, without its kind.</summary>
    public static IReadOnlyList<string> Row(TensorReport tensor) =>
        [
            FigureText.Name(tensor),
            tensor.DType,
            FigureText.Number(tensor.Count),
            FigureText.Share(tensor.Zeros, tensor.Count),
            FigureText.Range(tensor),
            .. Main.Select(format => FigureText.Cell(tensor, tensor.Of(format))),
            FigureText.NotFinite(tensor),
        ];

    private static void WriteBlock(TensorReport tensor, bool detail, Terminal terminal)
    {
        TextWriter output = terminal.Output;
        output.WriteLine($"{FigureText.Name(tensor)}  {tensor.DType} [{string.Join(", ", tensor.Shape)}]");
        string notFinite = FigureText.NotFinite(tensor);
        output.WriteLine(
            $"  {FigureText.Number(tensor.Count)} values, zeros {FigureText.Share(tensor.Zeros, tensor.Count)}, "
                + $"{FigureText.Range(tensor)}{(notFinite.Length > 0 ? $", {notFinite}" : "")}"
        );
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

    private static void WriteTotal(TensorReport total, double scale, Terminal terminal, bool narrow)
    {
        terminal.Output.WriteLine();
        string notFinite = FigureText.NotFinite(total);
        terminal.Output.WriteLine(
            $"{total.Name}: {FigureText.Number(total.Count)} values, zeros "
                + $"{FigureText.Share(total.Zeros, total.Count)}, {FigureText.Range(total)}"
                + (notFinite.Length > 0 ? $", {notFinite}" : "")
        );
        if (total.Values == 0)
            return;
        WriteFormats(total, terminal, narrow);
        if (TensorKinds.AreScaled(total.Kind))
            terminal.Output.WriteLine(LossScale(total, scale));
    }

    /// <summary>A sentence about the loss scale that keeps the most gradients in fp16.</summary>
    /// <param name="gradients">The gradients.</param>
    /// <param name="scale">The loss scale that they carry already; 1 for none.</param>
    public static string LossScale(TensorReport gradients, double scale)
    {
        FormatReport half = gradients.Of(NumberFormat.Float16);
        string what =
            gradients.Kind == TensorKinds.FirstMoment ? "these running means of gradients" : "these gradients";
        double best = scale * Math.ScaleB(1, half.BestScalePower);
        string said =
            best == 1 ? "no loss scale" : string.Create(CultureInfo.InvariantCulture, $"a loss scale of {Scale(best)}");
        return $"In fp16 {said} keeps most of {what}: {FigureText.Share(half.BestUnderflow, gradients.Values)} become "
            + "zero "
            + $"and {FigureText.Share(half.BestSubnormal, gradients.Values)} subnormal, against "
            + $"{FigureText.Share(half.Underflow, gradients.Values)} and "
            + $"{FigureText.Share(half.Subnormal, gradients.Values)} with {(scale == 1 ? "none" : Scale(scale))}"
            + $"{(half.Overflow > 0 ? $", where {FigureText.Share(half.Overflow, gradients.Values)} overflow" : "")}.";
    }

    private static string Scale(double scale) =>
        Math.ScaleB(1, Math.ILogB(scale)) == scale
            ? string.Create(CultureInfo.InvariantCulture, $"{FigureText.Power(Math.ILogB(scale))} ({scale:0.########})")
            : scale.ToString("G6", CultureInfo.InvariantCulture);

    private static void WriteFormats(TensorReport tensor, Terminal terminal, bool narrow)
    {
        if (narrow)
        {
            foreach (FormatReport format in tensor.Formats)
                terminal.Output.WriteLine(
                    $"  {format.Format}: {FigureText.Cell(tensor, format)}; best "
                        + $"{FigureText.Power(format.BestScalePower)}: "
                        + $"{FigureText.Decibels(format.BestSnrDb, IsBestExact(tensor, format))}"
                );
            return;
        }

        terminal.WriteTable(FormatColumns, [.. tensor.Formats.Select(format => FormatRow(tensor, format))]);
    }

    /// <summary>A row of the table of formats.</summary>
    public static IReadOnlyList<string> FormatRow(TensorReport tensor, FormatReport format) =>
        [
            format.Format,
            FigureText.Share(format.Overflow, tensor.Values),
            FigureText.Share(format.Underflow, tensor.Values),
            FigureText.Share(format.Subnormal, tensor.Values),
            FigureText.Decibels(format.SnrDb, format.Exact),
            FigureText.Power(format.BestScalePower),
            FigureText.Share(format.BestUnderflow, tensor.Values),
            FigureText.Share(format.BestSubnormal, tensor.Values),
            FigureText.Decibels(format.BestSnrDb, IsBestExact(tensor, format)),
        ];

    // At the best scale nothing overflows: without noise nothing is lost.
    private static bool IsBestExact(TensorReport tensor, FormatReport format) =>
        tensor is { Values: > 0, IsSum: false } && format.BestSnrDb is null;
}
