namespace NativeAmp;

/// <summary>When the gradients of a step are read to find what is not finite and to measure their norm.</summary>
internal enum GradientCheck
{
    /// <summary>Never: whatever there is is applied.</summary>
    None,

    /// <summary>They were, by <see cref="FusedOptimizer.Check"/>.</summary>
    Before,

    /// <summary>At the beginning of the call that applies them.</summary>
    InThisCall,
}
