namespace NativeAmp;

/// <summary>What became of a number in a <see cref="NumberFormat"/>.</summary>
public enum RoundingOutcome
{
    /// <summary>It is a value of the format.</summary>
    Exact,

    /// <summary>It was rounded to a normal value.</summary>
    Rounded,

    /// <summary>It was rounded to a subnormal value, which has fewer significant bits.</summary>
    Subnormal,

    /// <summary>It is not zero and was rounded to zero.</summary>
    Underflow,

    /// <summary>
    /// It is finite and was rounded past the largest value: to infinity, to NaN, or to that value, as the format has
    /// it.
    /// </summary>
    Overflow,

    /// <summary>It is infinite or NaN, and the format has no such value.</summary>
    Missing,
}

/// <summary>A number rounded to a format.</summary>
/// <param name="Code">The bits.</param>
/// <param name="Value">The value that they stand for.</param>
/// <param name="Outcome">What became of the number.</param>
public readonly record struct RoundedNumber(uint Code, ExactNumber Value, RoundingOutcome Outcome);
