namespace NativeAmp;

/// <summary>Which codes of a <see cref="NumberFormat"/> are not finite numbers.</summary>
public enum SpecialValues
{
    /// <summary>
    /// The largest exponent is infinity, or NaN if the fraction is not zero: IEEE 754, and the formats that follow it.
    /// </summary>
    InfinityAndNaN,

    /// <summary>
    /// All ones is NaN, and there is no infinity: E4M3 of OCP's 8-bit formats, called E4M3FN elsewhere.
    /// </summary>
    NaNOnly,

    /// <summary>
    /// The code of negative zero is NaN; there is neither infinity nor negative zero (the "FNUZ" formats).
    /// </summary>
    NegativeZeroIsNaN,

    /// <summary>Every code is a finite number: E2M1 of OCP's microscaling formats, and integers.</summary>
    None,
}
