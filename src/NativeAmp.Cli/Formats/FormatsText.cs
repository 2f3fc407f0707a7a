using System.Globalization;
using NativeAmp.Cli.Inspect;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Formats;

/// <summary>Writes formats, and numbers in them, as text.</summary>
internal static class FormatsText
{
    // The number line's powers of two, from below the smallest float32 to above the largest, and the powers per
    // character.
    private const int LineStart = -152;
    private const int LineEnd = 136;
    private const int PerCharacter = 4;
    private const int MostDigits = 17; // as many as a double needs

    /// <summary>Headings of the table of formats.</summary>
    public static IReadOnlyList<string> FormatColumns { get; } =
    [
        "format",
        "bits",
        "sign+exp+fraction",
        "largest",
        "smallest normal",
        "smallest",
        "step at 1",
        "integers to",
        "special",
    ];

    /// <summary>Headings of the table of a number in each format.</summary>
    public static IReadOnlyList<string> NumberColumns { get; } =
    ["format", "sign exponent fraction", "stored", "relative error", "result"];

    public static void WriteFormats(Terminal terminal)
    {
        terminal.WriteTable(FormatColumns, [.. NumberFormat.All.Select(Row)]);
        terminal.Output.WriteLine();
        terminal.Output.WriteLine(
            "Powers of two that each can hold (█ in full precision, ░ as subnormals with fewer bits):"
        );
        terminal.Output.WriteLine();
        foreach (NumberFormat format in NumberFormat.All)
            terminal.Output.WriteLine($"{format.Name, -8}  {Line(format)}".TrimEnd());
        terminal.Output.WriteLine($"{"", -8}  {Scale()}".TrimEnd());
    }

    public static void WriteNumber(AskedNumber asked, Terminal terminal)
    {
        terminal.Output.WriteLine(asked.Number == asked.Value ? asked.Number : $"{asked.Number} = {asked.Value}");
        terminal.Output.WriteLine();
        terminal.WriteTable(NumberColumns, [.. asked.Formats.Select(Row)]);
        NumberFacts[] shortened =
        [
            .. asked.Formats.Where(facts => ExactNumber.Parse(facts.Stored).ToString(MostDigits) != facts.Stored),
        ];
        if (shortened.Length == 0)
            return;
        terminal.Output.WriteLine();
        terminal.Output.WriteLine("Values that end in … are exactly:");
        foreach (NumberFacts facts in shortened)
            terminal.Output.WriteLine($"{facts.Format}: {facts.Stored}");
    }

    /// <summary>A format's powers of two as a line of characters.</summary>
    public static string Line(NumberFormat format)
    {
        char[] line = new char[(LineEnd - LineStart) / PerCharacter];
        for (int i = 0; i < line.Length; i++)
        {
            (int low, int high) = (LineStart + i * PerCharacter, LineStart + (i + 1) * PerCharacter - 1);
            line[i] = FigureText.Mark(format, low, high);
        }

        return new string(line);
    }

    private static string Scale()
    {
        char[] scale = new string(' ', (LineEnd - LineStart) / PerCharacter + 4).ToCharArray();
        foreach (int power in (int[])[-128, -64, 0, 64, 128])
            $"2^{power.ToString(CultureInfo.InvariantCulture)}".CopyTo(
                0,
                scale,
                (power - LineStart) / PerCharacter,
                power is 0 ? 3
                    : power > 0 && power < 100 ? 4
                    : power > 0 || power > -100 ? 5
                    : 6
            );
        return new string(scale);
    }

    /// <summary>A row of the table of formats.</summary>
    public static IReadOnlyList<string> Row(NumberFormat format)
    {
        FormatFacts facts = FormatFacts.Of(format);
        return
        [
            format.Name,
            Text(format.Bits),
            format.IsInteger ? $"1+0+{format.FractionBits}" : $"1+{format.ExponentBits}+{format.FractionBits}",
            Short(facts.Largest),
            format.IsInteger ? "–" : Short(facts.SmallestNormal),
            Short(facts.SmallestAboveZero),
            Short(facts.StepAtOne),
            Short(facts.IntegersExactUpTo),
            facts.SpecialValues,
        ];
    }

    /// <summary>A row of the table of a number in each format.</summary>
    public static IReadOnlyList<string> Row(NumberFacts facts)
    {
        string stored = ExactNumber.Parse(facts.Stored).ToString(MostDigits);
        return
        [
            facts.Format,
            string.Join(' ', ((string[])[facts.Sign, facts.Exponent, facts.Fraction]).Where(part => part.Length > 0)),
            stored == facts.Stored ? stored
            : stored.Contains('e', StringComparison.Ordinal) ? stored.Replace("e", "…e", StringComparison.Ordinal)
            : stored + "…",
            facts.RelativeError is { } error ? Percent(error) : "–",
            facts.Meaning,
        ];
    }

    // Four significant digits, of a percentage that may be tiny.
    private static string Percent(double share) =>
        share == 0
            ? "0"
            : (share * 100).ToString(
                Math.Abs(share) < 1e-6 ? "+0.###e0;-0.###e0" : "+0.####;-0.####",
                CultureInfo.InvariantCulture
            ) + " %";

    private static string Short(double value) =>
        value.ToString(value is >= 1e6 or < 1e-3 ? "0.#####e0" : "0.######", CultureInfo.InvariantCulture);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
