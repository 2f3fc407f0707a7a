using System.Globalization;
using NativeAmp.Onnx.Writing;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Onnx;

/// <content>Weights and inputs of integers: QDQ for 8 bits, MatMulNBits for 4.</content>
public sealed partial class OnnxGraph
{
    // ONNX Runtime's own domain; its operator takes the layout that a QuantizedTensor of 4 bits has.
    private const string MatMulNBits = "com.microsoft" + DomainSeparator + "MatMulNBits";

    private readonly Dictionary<QuantizedTensor, string> _quantized = new(ReferenceEqualityComparer.Instance);

    /// <summary>
    /// input · weightᵀ + bias over the last dimension, with a weight of integers: 8 bits become floating-point by
    /// DequantizeLinear, with one scale an output; 4 bits are an operand of MatMulNBits, an operator of ONNX Runtime's.
    /// </summary>
    /// <param name="input">The name of the input's value [..., in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">A parameter [out] of the model, or null.</param>
    /// <param name="roundsInput">With 4 bits, whether the runtime should give inputs 8 bits, with a scale for each
    /// group of a row: accuracy_level 4 of MatMulNBits. Without it the runtime decides.</param>
    /// <returns>The name of the output's value [..., out].</returns>
    /// <exception cref="ArgumentException">The weight is no matrix.</exception>
    public string Linear(string input, QuantizedTensor weight, Parameter? bias, bool roundsInput = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(input);
        ArgumentNullException.ThrowIfNull(weight);
        if (weight.Shape.Rank != 2)
            throw new ArgumentException($"The weight of integers is {weight.Shape}, not a matrix.", nameof(weight));
        string product =
            weight.Bits == 8 ? Node("MatMul", [input, Transposed(weight)]) : Multiply(input, weight, roundsInput);
        return bias is null ? product : Node("Add", [product, Weight(bias)]);
    }

    /// <summary>
    /// A value rounded to codes of 8 bits and back, by QuantizeLinear and DequantizeLinear. A runtime that has products
    /// of integers computes with the codes; every other has the values of the codes.
    /// </summary>
    /// <param name="input">The name of the value.</param>
    /// <param name="codes">Scale and zero point.</param>
    /// <returns>The name of the result, of the same type.</returns>
    public string Rounded(string input, InputCodes codes)
    {
        ArgumentException.ThrowIfNullOrEmpty(input);
        string scale = Number(codes.Scale);
        string zero = ZeroPoint(codes.ZeroPoint);
        return Node("DequantizeLinear", [Node("QuantizeLinear", [input, scale, zero]), scale, zero]);
    }

    /// <summary>
    /// A weight of 8-bit integers as floating-point values in its own shape, by DequantizeLinear with one scale a row.
    /// </summary>
    /// <param name="weight">A weight of 8 bits, such as a convolution's.</param>
    /// <returns>The name of its value, of <see cref="ElementType"/>.</returns>
    /// <exception cref="ArgumentException">It has 4 bits.</exception>
    public string Dequantized(QuantizedTensor weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (weight.Bits != 8)
            throw new ArgumentException(
                $"DequantizeLinear of opset {OnnxExport.Opset} has 8 bits, not 4.",
                nameof(weight)
            );
        return Dequantize(weight, weight.Shape, 0, () => [.. weight.Codes]);
    }

    private string Transposed(QuantizedTensor weight) =>
        Dequantize(
            weight,
            [weight.Columns, weight.Rows],
            1,
            () => Matrices.Transpose<byte>([.. weight.Codes], weight.Rows, weight.Columns)
        );

    private string Dequantize(QuantizedTensor weight, Shape shape, int axis, Func<byte[]> codes)
    {
        if (_quantized.TryGetValue(weight, out string? value))
            return value;
        string name = NewName("weight");
        string output = Node(
            "DequantizeLinear",
            [Add($"{name}.codes", OnnxElementType.Int8, shape, codes), Add($"{name}.scales", [weight.Rows], weight)],
            OnnxAttribute.Integer("axis", axis)
        );
        return _quantized[weight] = output;
    }

    private string Multiply(string input, QuantizedTensor weight, bool roundsInput)
    {
        if (!_quantized.TryGetValue(weight, out string? name))
        {
            _quantized[weight] = name = NewName("weight");
            Shape blocks = [weight.Rows, weight.Groups, weight.Group / 2];
            Add($"{name}.codes", OnnxElementType.UInt8, blocks, () => [.. weight.Codes]);
            Add($"{name}.scales", [weight.Rows, weight.Groups], weight);
        }

        List<OnnxAttribute> attributes =
        [
            OnnxAttribute.Integer("K", weight.Columns),
            OnnxAttribute.Integer("N", weight.Rows),
            OnnxAttribute.Integer("bits", weight.Bits),
            OnnxAttribute.Integer("block_size", weight.Group),
        ];
        if (roundsInput)
            attributes.Add(OnnxAttribute.Integer("accuracy_level", 4));
        // Without zero points they are 8, as here.
        return Node(MatMulNBits, [input, $"{name}.codes", $"{name}.scales"], [.. attributes]);
    }

    private string ZeroPoint(int value)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"int8.{value}");
        if (_initializers.TryAdd(name, name))
            Add(name, OnnxElementType.Int8, Shape.Scalar, () => [(byte)(sbyte)value]);
        return name;
    }

    private string Add(string name, Shape shape, QuantizedTensor scales)
    {
        OnnxElementType type = ElementType;
        return Add(name, type, shape, () => OnnxData.Bytes([.. scales.Scales], type, name));
    }

    private string Add(string name, OnnxElementType type, Shape shape, Func<byte[]> data)
    {
        Tensors.Add(new OnnxTensor(name, type, shape, data));
        return name;
    }
}
