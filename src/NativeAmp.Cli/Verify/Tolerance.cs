using System.Globalization;

namespace NativeAmp.Cli.Verify;

/// <summary>How close is close enough, and how far a comparison was from that.</summary>
/// <param name="Text">As the golden README states it.</param>
/// <param name="Relative">Allowed relative error; 0 for bit for bit.</param>
/// <param name="Absolute">Allowed absolute error on top.</param>
/// <param name="Ulps">Units in the last place that are allowed whatever the relative error.</param>
internal sealed record Tolerance(string Text, double Relative, double Absolute = 0, int Ulps = 0)
{
    public static readonly Tolerance Exact = new("bit for bit", 0);
    public static readonly Tolerance Adam = new("2 ulp or rtol 1e-6", 1e-6, Ulps: 2);

    // What cancels in a parameter or a buffer is a rounding of what was there, step after step.
    public static readonly Tolerance Sgd = new("rtol 2e-6, atol 2e-6", 2e-6, 2e-6);
    public static readonly Tolerance Layers = new("rtol 1e-5, atol 1e-6", 1e-5, 1e-6);
    public static readonly Tolerance Training = new("rtol 1e-4", 1e-4);

    // A parameter moves by about the learning rate, 0.01, a step: one that ends near 0 is held to 1e-4 of a step
    // instead of 1e-4 of nothing.
    public static readonly Tolerance FinalParameters = new("rtol 1e-4, atol 1e-6", 1e-4, 1e-6);
    public static readonly Tolerance AmpLosses = new("rtol 2e-2", 2e-2);

    /// <summary>
    /// The error as a fraction of what is allowed: 0 for the same value, 1 at the limit, infinite for what cannot be
    /// compared.
    /// </summary>
    public double Fraction(float expected, float actual)
    {
        if (
            BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual)
            || (float.IsNaN(expected) && float.IsNaN(actual))
        )
            return 0;
        if (!float.IsFinite(expected) || !float.IsFinite(actual))
            return double.PositiveInfinity;
        double error = Math.Abs((double)expected - actual);
        double allowed = Absolute + Relative * Math.Abs((double)expected);
        double fraction =
            error == 0 && this != Exact ? 0
            : allowed > 0 ? error / allowed
            : double.PositiveInfinity;
        return Ulps > 0 ? Math.Min(fraction, UlpsBetween(expected, actual) / (double)Ulps) : fraction;
    }

    /// <summary>Representable float32 values from one to the other.</summary>
    public static long UlpsBetween(float a, float b)
    {
        return Math.Abs(Ordered(a) - Ordered(b));

        // Sign and magnitude to a line without a step at zero.
        static long Ordered(float value)
        {
            int bits = BitConverter.SingleToInt32Bits(value);
            return bits >= 0 ? bits : int.MinValue - (long)bits;
        }
    }

    /// <summary>A fraction, for people.</summary>
    public static string Describe(double fraction) =>
        fraction switch
        {
            0 => "0",
            double.PositiveInfinity => "differs",
            _ => fraction.ToString("0.###", CultureInfo.InvariantCulture) + " × tolerance",
        };
}
