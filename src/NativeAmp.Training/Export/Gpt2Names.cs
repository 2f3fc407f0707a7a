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
    /// <summary>Every tensor of a model by its name in the format.</summary>
    /// <exception cref="ExportException">The model is quantised.</exception>
    public IReadOnlyList<(string Name, Gpt2Part Part, Parameter Values)> Of(Gpt model) =>
        IQuantizable.Of(model).FirstOrDefault(each => each.Layer.Quantized is not null).Name is { } name
            ? throw new ExportException(
                name,
                $"Layer '{name}' is quantised, and the file takes floating-point weights, which it rounds itself. Export "
                    + "the model from before, or write ONNX, which takes integers."
            )
            : [.. Parts(model)];

    private IEnumerable<(string Name, Gpt2Part Part, Parameter Values)> Parts(Gpt model)
    {
        yield return (Tokens + ".weight", Gpt2Part.Tokens, model.Tokens.Weight);
        yield return (Positions + ".weight", Gpt2Part.Positions, model.Positions);
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

    private static (string, Gpt2Part, Parameter)[] OfNorm(string name, LayerNorm norm) =>
        [(name + ".weight", Gpt2Part.Vector, norm.Weight), (name + ".bias", Gpt2Part.Vector, norm.Bias)];

    private static (string, Gpt2Part, Parameter)[] OfLinear(string name, Linear linear) =>
        [(name + ".weight", Gpt2Part.Matrix, linear.Weight), (name + ".bias", Gpt2Part.Vector, linear.Bias!)];
}
