namespace NativeAmp.Training;

/// <summary>What becomes of the losses of the single samples.</summary>
public enum Reduction
{
    /// <summary>Their mean (over the counted ones).</summary>
    Mean,

    /// <summary>Their sum.</summary>
    Sum,
}
