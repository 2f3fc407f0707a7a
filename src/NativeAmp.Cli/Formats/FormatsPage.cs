using NativeAmp.Cli.Inspect;
using NativeAmp.Reports;

namespace NativeAmp.Cli.Formats;

/// <summary>Formats, and numbers in them, as a page with a picture.</summary>
internal static class FormatsPage
{
    public static HtmlPage Of(IReadOnlyList<AskedNumber> numbers)
    {
        HtmlPage page = new HtmlPage("Number formats").Lead(
            "A floating-point number has a sign, an exponent that says which power of two it lies at, and a fraction "
                + "that says where between that power and the next.",
            "More bits of exponent hold larger and smaller numbers; more bits of fraction hold them more precisely. "
                + "fp16 and bf16 have 16 bits and spend them differently: "
                + "fp16 has eight times the precision, bf16 the range of fp32."
        );
        foreach (AskedNumber number in numbers)
            page.Table(
                number.Number == number.Value ? number.Number : $"{number.Number} = {number.Value}",
                FormatsText.NumberColumns,
                number.Formats.Select(FormatsText.Row)
            );
        page.Figures(ExponentChart.Formats(NumberFormat.All));
        page.Note(
            "Thick: in full precision. Thin: subnormal, with fewer bits the smaller the number is. Integers are to be "
                + "used with a scale, which moves their line."
        );
        return page.Table("Formats", FormatsText.FormatColumns, NumberFormat.All.Select(FormatsText.Row));
    }
}
