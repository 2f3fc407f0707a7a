namespace NativeAmp.Cli.Verify;

/// <summary>One row of the report.</summary>
/// <param name="File">Golden file.</param>
/// <param name="Case">The case in the file.</param>
/// <param name="WorstError">Largest error.</param>
/// <param name="Tolerance">The allowed error.</param>
/// <param name="Passed">Whether the error is within the tolerance.</param>
/// <param name="Detail">Place of the worst error, or why the values could not be compared; empty if all are
/// equal.</param>
internal sealed record VerifyRow(
    string File,
    string Case,
    string WorstError,
    string Tolerance,
    bool Passed,
    string Detail
);

/// <summary>Gathers the worst error of one case.</summary>
internal sealed class Comparison(string file, string name, Tolerance tolerance)
{
    private double _worst;
    private string _detail = "";

    /// <summary>Compares arrays element by element.</summary>
    public Comparison Add(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        if (expected.Length != actual.Length)
        {
            Note(double.PositiveInfinity, $"{what}: {actual.Length} values instead of {expected.Length}");
            return this;
        }

        for (int i = 0; i < expected.Length; i++)
        {
            double fraction = tolerance.Fraction(expected[i], actual[i]);
            if (fraction > _worst)
                Note(fraction, FormattableString.Invariant($"{what}[{i}]: {actual[i]:R} instead of {expected[i]:R}"));
        }

        return this;
    }

    /// <summary>Compares values that must be equal.</summary>
    public Comparison Same(string what, long expected, long actual)
    {
        if (expected != actual)
            Note(double.PositiveInfinity, $"{what}: {actual} instead of {expected}");
        return this;
    }

    /// <summary>The row.</summary>
    public VerifyRow Row() => new(file, name, Tolerance.Describe(_worst), tolerance.Text, _worst <= 1, _detail);

    private void Note(double fraction, string detail)
    {
        if (fraction < _worst || (double.IsPositiveInfinity(_worst) && _detail.Length > 0))
            return;
        _worst = fraction;
        _detail = detail;
    }
}
