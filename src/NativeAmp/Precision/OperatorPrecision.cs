namespace NativeAmp;

/// <summary>The type that an operator computes in under autocast.</summary>
public enum OperatorPrecision
{
    /// <summary>
    /// The policy's compute type: for operators that tensor cores speed up, and for those bound by memory.
    /// </summary>
    Compute,

    /// <summary>float32: for operators that sum many numbers or take exponentials.</summary>
    Float32,

    /// <summary>The widest type among the operator's inputs.</summary>
    WidestInput,
}
