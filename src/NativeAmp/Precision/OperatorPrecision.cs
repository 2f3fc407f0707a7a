namespace NativeAmp;

/// <summary>In which type an operator computes under autocast.</summary>
public enum OperatorPrecision
{
    /// <summary>In the policy's compute type: what tensor cores do, and what is bound by memory.</summary>
    Compute,

    /// <summary>In float32: what sums many numbers or takes exponentials.</summary>
    Float32,

    /// <summary>In the widest type among its inputs.</summary>
    WidestInput,
}
