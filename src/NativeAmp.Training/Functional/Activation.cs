using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <summary>Element-wise activation functions.</summary>
public enum Activation
{
    /// <summary>None: the identity.</summary>
    None = NampActivation.None,

    /// <summary>max(x, 0).</summary>
    Relu = NampActivation.Relu,

    /// <summary>x Φ(x), by the error function.</summary>
    Gelu = NampActivation.Gelu,

    /// <summary>The tanh approximation of GELU (Hendrycks and Gimpel 2016).</summary>
    GeluTanh = NampActivation.GeluTanh,
}
