using System.Collections.Immutable;

namespace NativeAmp.Training.Quantization;

/// <summary>The form of weights, and how a layer computes with it.</summary>
public enum QuantizationKind
{
    /// <summary>Weights of 8 bits with one scale an output; activations stay floating-point.</summary>
    Int8,

    /// <summary>
    /// Weights as <see cref="Int8"/>; a linear layer's input becomes 8 bits too, with one scale a row found as it
    /// comes, and the products and sums are of integers.
    /// </summary>
    Int8Dynamic,

    /// <summary>Weights of 4 bits with one scale a group of inputs; activations stay floating-point.</summary>
    Int4,

    /// <summary>
    /// Weights as <see cref="Int8"/>; the inputs of linear layers and of convolutions become 8 bits too, with one scale
    /// and zero point a layer (<see cref="InputCodes"/>) that is found by calibration, and the products and sums are of
    /// integers. Batch norms are folded into the convolutions before them (<see cref="BatchNormFolding"/>).
    /// </summary>
    Int8Static,

    /// <summary>
    /// Weights as <see cref="Int4"/>; a linear layer's input becomes 8 bits with one scale for each row and group of
    /// inputs, found as it comes, and the products and sums within a group are of integers.
    /// </summary>
    Int4Dynamic,
}

/// <summary>
/// How <see cref="QuantizationKind.Int8Static"/> chooses the range of a layer's input that codes represent, from the
/// inputs that the layer has in the calibration. Zero is always in the range; a value outside gets the nearest end.
/// </summary>
public enum QuantizationObserver
{
    /// <summary>The range with the least squared error over a histogram of the values.</summary>
    Mse,

    /// <summary>From the smallest value to the largest.</summary>
    MinMax,

    /// <summary>Without the values beyond a percentile at each end (<see cref="QuantizationScheme.Percentile"/>),
    /// by a histogram.</summary>
    Percentile,
}

/// <summary>How weights are rounded.</summary>
public enum QuantizationMethod
{
    /// <summary>Round to nearest: the value of largest magnitude becomes the code of largest magnitude.</summary>
    Rtn,

    /// <summary>
    /// Half-quadratic (Badri and Shaji 2023, "Half-Quadratic Quantization of Large Machine Learning Models"): a scale
    /// that makes a norm of the errors small which outliers count little in. The paper moves the zero point; here it is
    /// fixed, as the codes are symmetric, and the scale moves.
    /// </summary>
    Hqq,

    /// <summary>
    /// Frantar et al. 2022, "GPTQ": the error of each column of a linear layer's weight is taken out of the columns
    /// that follow, by inputs that the layer had for some data, so that its output changes little. Scales are those of
    /// <see cref="Rtn"/>. Convolutions are rounded to nearest.
    /// </summary>
    Gptq,
}

/// <summary>How a model is quantised.</summary>
public sealed record QuantizationScheme
{
    /// <summary>The form of the weights.</summary>
    public QuantizationKind Kind { get; init; } = QuantizationKind.Int8;

    /// <summary>Inputs that share a scale with <see cref="QuantizationKind.Int4"/> and
    /// <see cref="QuantizationKind.Int4Dynamic"/>: 32, 64, 128 or 256.</summary>
    public int Group { get; init; } = 64;

    /// <summary>How weights are rounded. <see cref="QuantizationMethod.Gptq"/> needs data.</summary>
    public QuantizationMethod Method { get; init; } = QuantizationMethod.Rtn;

    /// <summary>How <see cref="QuantizationKind.Int8Static"/> chooses the ranges of inputs.</summary>
    public QuantizationObserver Observer { get; init; } = QuantizationObserver.Mse;

    /// <summary>Percent of the values that are not above the range of <see cref="QuantizationObserver.Percentile"/>,
    /// and of those that are not below it: above 50, at most 100.</summary>
    public double Percentile { get; init; } = 99.99;

    /// <summary>Full names of layers that stay as they are, such as "block0.attention.qkv".</summary>
    public ImmutableArray<string> Keep { get; init; } = [];

    /// <summary>Whether data is needed: <see cref="Quantizer.Quantize"/> takes a function that computes.</summary>
    internal bool Calibrates => Kind == QuantizationKind.Int8Static || Method == QuantizationMethod.Gptq;

    /// <summary>Bits of a weight's code.</summary>
    internal int Bits => Kind is QuantizationKind.Int4 or QuantizationKind.Int4Dynamic ? 4 : 8;

    /// <summary>Inputs that share a scale; 0 if a row has one.</summary>
    internal int WeightGroup => Bits == 4 ? Group : 0;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is invalid; the message says which.</exception>
    internal void Check()
    {
        if (!Enum.IsDefined(Kind))
            throw new ArgumentException($"{Kind} is no kind of quantisation.");
        if (!Enum.IsDefined(Method))
            throw new ArgumentException($"{Method} is no method of quantisation.");
        if (!Enum.IsDefined(Observer))
            throw new ArgumentException($"{Observer} is no observer.");
        if (!(Percentile is > 50 and <= 100))
            throw new ArgumentException($"The percentile is {Percentile}; it must be above 50 and at most 100.");
        QuantizedTensor.CheckGroup(Bits, WeightGroup);
        if (Keep.IsDefault)
            throw new ArgumentException("Keep is default; use [] for no layer.");
    }
}
