namespace NativeAmp.Training.Quantization;

/// <summary>
/// How a layer's input becomes integers of 8 bits: code = round(value / scale) + zero point, ties to even, limited to
/// −128 and 127, as ONNX's QuantizeLinear has it. The value of a code is (code − zero point) · scale.
/// </summary>
/// <remarks>
/// The zero point lets an input that is never negative, as after a ReLU, use all of the codes; it is then −128, and
/// products need no correction (see decision 24).
/// </remarks>
public sealed record InputCodes
{
    /// <summary>Codes of this scale and zero point.</summary>
    /// <param name="scale">The step from one code to the next: finite and above 0.</param>
    /// <param name="zeroPoint">The code of 0: −128 to 127.</param>
    public InputCodes(float scale, int zeroPoint)
    {
        if (!(float.IsFinite(scale) && scale > 0))
            throw new ArgumentOutOfRangeException(nameof(scale), scale, "A scale is finite and above 0.");
        if (zeroPoint is < sbyte.MinValue or > sbyte.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(zeroPoint), zeroPoint, "A zero point is −128 to 127.");
        Scale = scale;
        ZeroPoint = zeroPoint;
    }

    /// <summary>The step from one code to the next.</summary>
    public float Scale { get; }

    /// <summary>The code of 0.</summary>
    public int ZeroPoint { get; }

    /// <summary>Bytes of scale and zero point in a file.</summary>
    internal const int ByteLength = sizeof(float) + sizeof(sbyte);

    /// <summary>The codes of a range.</summary>
    /// <param name="low">At most 0.</param>
    /// <param name="high">At least 0, and not equal to low.</param>
    internal static InputCodes Of(double low, double high)
    {
        const int Steps = 255;
        const double MinNormal = 1.17549435e-38;
        float scale = (float)Math.Max((high - low) / Steps, MinNormal);
        return new InputCodes(scale, (int)Math.Clamp(Math.Round(sbyte.MinValue - low / scale), -128, 127));
    }

    /// <summary>The value of a value's code.</summary>
    internal double Round(double value) =>
        (Math.Clamp(Math.Round(value / Scale) + ZeroPoint, sbyte.MinValue, sbyte.MaxValue) - ZeroPoint) * Scale;
}
