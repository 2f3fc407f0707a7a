namespace NativeAmp.Training;

/// <summary>How the losses of the samples become one loss.</summary>
public enum Reduction
{
    /// <summary>Their mean, over the samples that are not ignored.</summary>
    Mean,

    /// <summary>Their sum.</summary>
    Sum,
}
