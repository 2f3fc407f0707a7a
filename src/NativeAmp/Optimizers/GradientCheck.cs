namespace NativeAmp;

/// <summary>When the gradients of a step are checked and their norm is measured.</summary>
internal enum GradientCheck
{
    /// <summary>Never: the gradients are applied unchecked.</summary>
    None,

    /// <summary>Before the step, by <see cref="FusedOptimizer.Check"/>.</summary>
    Before,

    /// <summary>In the call that applies them.</summary>
    InThisCall,
}
