using System.Globalization;

namespace NativeAmp.Cli.Verify;

/// <summary>The allowed error of a comparison, and the error as a fraction of it.</summary>
/// <param name="Text">The tolerance in words, as in the README of the golden files.</param>
/// <param name="Relative">Allowed relative error; 0 means bit for bit.</param>
/// <param name="Absolute">Allowed absolute error, added to the relative one.</param>
/// <param name="Ulps">Allowed units in the last place, independent of the relative error.</param>
internal sealed record Tolerance(string Text, double Relative, double Absolute = 0, int Ulps = 0)
{
    public static readonly Tolerance Exact = new("bit for bit", 0);
    public static readonly Tolerance Adam = new("2 ulp or rtol 1e-6", 1e-6, Ulps: 2);

    // If a parameter or a buffer cancels, a rounding error of its old value remains, step after step.
    public static readonly Tolerance Sgd = new("rtol 2e-6, atol 2e-6", 2e-6, 2e-6);
    public static readonly Tolerance Layers = new("rtol 1e-5, atol 1e-6", 1e-5, 1e-6);
    public static readonly Tolerance Training = new("rtol 1e-4", 1e-4);

    // A parameter moves by about the learning rate, 0.01, per step. The absolute part allows one that ends near 0 an
    // error of 1e-4 of a step.
    public static readonly Tolerance FinalParameters = new("rtol 1e-4, atol 1e-6", 1e-4, 1e-6);
    public static readonly Tolerance AmpLosses = new("rtol 2e-2", 2e-2);

    /// <summary>
    /// The error as a fraction of the allowed one: 0 for the same value, 1 at the limit, infinite if the values cannot
    /// be compared.
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

        // Maps sign and magnitude to integers that are continuous at zero.
        static long Ordered(float value)
        {
            int bits = BitConverter.SingleToInt32Bits(value);
            return bits >= 0 ? bits : int.MinValue - (long)bits;
        }
    }

    /// <summary>A fraction in words.</summary>
    public static string Describe(double fraction) =>
        fraction switch
        {
            0 => "0",
            double.PositiveInfinity => "differs",
            _ => fraction.ToString("0.###", CultureInfo.InvariantCulture) + " × tolerance",
        };
}
