namespace NativeAmp;

/// <summary>The outcome of rounding a number to a <see cref="NumberFormat"/>.</summary>
public enum RoundingOutcome
{
    /// <summary>The number is a value of the format.</summary>
    Exact,

    /// <summary>The number was rounded to a normal value.</summary>
    Rounded,

    /// <summary>The number was rounded to a subnormal value, which has fewer significant bits.</summary>
    Subnormal,

    /// <summary>The number is not zero and was rounded to zero.</summary>
    Underflow,

    /// <summary>
    /// The number is finite and was rounded past the largest value: to infinity, to NaN, or to that value, depending on
    /// the format.
    /// </summary>
    Overflow,

    /// <summary>The number is infinite or NaN, and the format has no such value.</summary>
    Missing,
}

/// <summary>A number rounded to a format.</summary>
/// <param name="Code">The bits.</param>
/// <param name="Value">The value of the bits.</param>
/// <param name="Outcome">The outcome of rounding.</param>
public readonly record struct RoundedNumber(uint Code, ExactNumber Value, RoundingOutcome Outcome);
