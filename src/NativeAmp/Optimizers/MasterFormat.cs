namespace NativeAmp;

/// <summary>
/// How an optimizer keeps the float32 masters of half-precision parameters. float32 parameters are their own.
/// </summary>
public enum MasterFormat
{
    /// <summary>
    /// The 16 bits that a bfloat16 parameter lacks, in a column of the optimizer: two bytes an element, and the bits of
    /// float32 masters. The parameter is the master's nearest bfloat16, of two as near the one away from zero.
    /// </summary>
    Remainder,

    /// <summary>
    /// None: the step rounds parameters, bfloat16 or float16, as <see cref="OptimizerOptions.WeightRounding"/> says.
    /// Rounded to nearest they stand still where steps are smaller than half of their last place; rounded
    /// stochastically they move by the right amount on average.
    /// </summary>
    None,
}
