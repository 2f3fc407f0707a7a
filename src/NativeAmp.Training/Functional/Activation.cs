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

    /// <summary>x / (1 + e⁻ˣ), also called swish (Elfwing et al. 2017).</summary>
    Silu = NampActivation.Silu,

    /// <summary>1 / (1 + e⁻ˣ).</summary>
    Sigmoid = NampActivation.Sigmoid,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh = NampActivation.Tanh,
}

/// <summary>Facts of activations, as in native/lists/activations.h.</summary>
internal static class ActivationFacts
{
    /// <summary>Whether a linear layer's product computes it in its own pass.</summary>
    public static bool IsFused(this Activation activation) =>
        activation is Activation.None or Activation.Relu or Activation.Gelu or Activation.GeluTanh;

    /// <summary>Whether its gradient is computed from its output, and not from its input.</summary>
    public static bool SavesOutput(this Activation activation) =>
        activation is Activation.Relu or Activation.Sigmoid or Activation.Tanh;
}
