using System.Globalization;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Export;

/// <summary>The parts of a <see cref="Gpt"/> that formats treat differently.</summary>
internal enum Gpt2Part
{
    /// <summary>The token embedding, which is the head's matrix too.</summary>
    Tokens,

    /// <summary>The positions' embedding.</summary>
    Positions,

    /// <summary>A linear layer's matrix [out, in].</summary>
    Matrix,

    /// <summary>A bias, or a norm's weights.</summary>
    Vector,
}

/// <summary>A tensor of a <see cref="Gpt"/> by its name in a format: floating-point values, or integers.</summary>
internal readonly record struct Gpt2Tensor(string Name, Gpt2Part Part, Parameter? Values, QuantizedTensor? Integers)
{
    /// <summary>Sizes, outermost first.</summary>
    public Shape Shape => Integers?.Shape ?? Values!.Shape;
}

/// <summary>
/// The names that a format of GPT-2 has for the parts of a <see cref="Gpt"/>. Those of a block come after the block's
/// own; "{0}" is its number.
/// </summary>
internal sealed record Gpt2Names(
    string Tokens,
    string Positions,
    string Block,
    string Norm1,
    string Qkv,
    string Projection,
    string Norm2,
    string Expand,
    string Contract,
    string Norm
)
{
    /// <summary>Every tensor of a model that is not quantised.</summary>
    /// <exception cref="ExportException">A layer is quantised.</exception>
    public IReadOnlyList<(string Name, Gpt2Part Part, Parameter Values)> OfFloats(Gpt model) =>
        IQuantizable.Of(model).FirstOrDefault(each => each.Layer.Quantized is not null).Name is { } name
            ? throw new ExportException(
                name,
                $"Layer '{name}' is quantised, and the file takes floating-point weights. Export the model from before, "
                    + "or write ONNX or GGUF, which take integers."
            )
            : [.. Of(model).Select(each => (each.Name, each.Part, each.Values!))];

    /// <summary>Every tensor of a model by its name in the format.</summary>
    public IEnumerable<Gpt2Tensor> Of(Gpt model)
    {
        yield return new Gpt2Tensor(Tokens + ".weight", Gpt2Part.Tokens, model.Tokens.Weight, null);
        yield return new Gpt2Tensor(Positions + ".weight", Gpt2Part.Positions, model.Positions, null);
        for (int i = 0; i < model.Blocks.Count; i++)
        {
            TransformerBlock block = model.Blocks[i];
            string name = string.Format(CultureInfo.InvariantCulture, Block, i);
            foreach (
                var part in OfNorm(name + Norm1, block.Norm1)
                    .Concat(OfLinear(name + Qkv, block.Attention.Qkv))
                    .Concat(OfLinear(name + Projection, block.Attention.Projection))
                    .Concat(OfNorm(name + Norm2, block.Norm2))
                    .Concat(OfLinear(name + Expand, block.Expand))
                    .Concat(OfLinear(name + Contract, block.Contract))
            )
                yield return part;
        }

        foreach (var part in OfNorm(Norm, model.Norm))
            yield return part;
    }

    private static Gpt2Tensor[] OfNorm(string name, LayerNorm norm) =>
        [Vector(name + ".weight", norm.Weight), Vector(name + ".bias", norm.Bias)];

    private static Gpt2Tensor[] OfLinear(string name, Linear linear) =>
        [
            new(name + ".weight", Gpt2Part.Matrix, ((IQuantizable)linear).FloatWeight, linear.Quantized),
            Vector(name + ".bias", linear.Bias!),
        ];

    private static Gpt2Tensor Vector(string name, Parameter values) => new(name, Gpt2Part.Vector, values, null);
}
