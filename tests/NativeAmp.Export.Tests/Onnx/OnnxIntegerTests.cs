using NativeAmp.Onnx;
using NativeAmp.Training;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Export.Tests.Onnx;

/// <summary>
/// Weights of integers, run by ONNX Runtime against sums in double over the integers' own values, of 1,000 inputs.
/// </summary>
public class OnnxIntegerTests
{
    private const int Outputs = 7;
    private const int Samples = 1000;

    /// <summary>A layer of a weight of integers.</summary>
    private sealed class IntegerLayer(QuantizedTensor weight, bool bias) : Module, IOnnxModule
    {
        public float[] Bias { get; } = [.. Enumerable.Range(0, Outputs).Select(i => bias ? i - 3.5f : 0)];

        public override Tensor Forward(Tensor input) =>
            Tensor.Zeros(input.Device, DType.Float32, [input.Shape[0], Outputs]);

        public string Export(OnnxGraph graph, string input) => graph.Linear(input, weight, bias ? Held() : null);

        public IntegerLayer Hold()
        {
            if (bias)
                Register("bias", new Parameter(Bias, [Outputs]));
            return this;
        }

        private Parameter Held() => NamedParameters().Single().Parameter;
    }

    [Test]
    public void Matrices_of_integers_give_their_own_products(
        [Values(0, 32, 64, 128, 256)] int group,
        [Values(64, 100)] int inputs,
        [Values(OnnxPrecision.Float32, OnnxPrecision.Float16, OnnxPrecision.Float16Weights)] OnnxPrecision precision
    )
    {
        var random = new Random(group + inputs);
        QuantizedTensor weight = RandomWeight([Outputs, inputs], group, random);
        using IntegerLayer layer = new IntegerLayer(weight, bias: true).Hold().To(Processor.Cpu);
        using var folder = new ScratchFolder();

        OnnxExport.Save(layer, [inputs], folder.File("m.onnx"), new OnnxExportOptions { Precision = precision });

        using var exported = new OnnxModel(folder.File("m.onnx"), roundsInputs: false);
        using var byDefault = new OnnxModel(folder.File("m.onnx"));
        float[] input = [.. Enumerable.Range(0, Samples * inputs).Select(_ => random.NextSingle() - 0.5f)];
        float[] theirs = exported.Run(input, Samples, inputs);
        float[] rounded = byDefault.Run(input, Samples, inputs);
        double tolerance = precision == OnnxPrecision.Float32 ? 1e-5 : 5e-3;
        for (int row = 0; row < Samples; row++)
        {
            for (int output = 0; output < Outputs; output++)
            {
                double sum = layer.Bias[output];
                double size = 1;
                for (int i = 0; i < inputs; i++)
                {
                    double term = (double)input[row * inputs + i] * Value(weight, output, i);
                    sum += term;
                    size += Math.Abs(term);
                }

                Assert.That(theirs[row * Outputs + output], Is.EqualTo(sum).Within(size * tolerance));
                Assert.That(rounded[row * Outputs + output], Is.EqualTo(sum).Within(size * 5e-3));
            }
        }
    }

    [Test]
    public void Eight_bits_are_a_quarter_of_the_file_and_four_an_eighth()
    {
        const int Inputs = 4096;
        var random = new Random(1);
        long Size(int group)
        {
            using var layer = new IntegerLayer(RandomWeight([Outputs, Inputs], group, random), bias: false);
            using var folder = new ScratchFolder();
            OnnxExport.Save(layer, [Inputs], folder.File("m.onnx"));
            return new FileInfo(folder.File("m.onnx")).Length;
        }

        Assert.That(Size(0), Is.InRange(Outputs * Inputs, Outputs * Inputs + 700));
        Assert.That(Size(64), Is.InRange(Outputs * Inputs * 9 / 16, Outputs * Inputs * 9 / 16 + 700));
    }

    [Test]
    public void A_weight_of_other_ranks_or_bits_is_refused()
    {
        var random = new Random(1);
        using var cube = new IntegerLayer(RandomWeight([Outputs, 2, 4], 0, random), bias: false);

        Assert.That(
            () => OnnxExport.Save(cube, [8], "unused.onnx"),
            Throws.ArgumentException.With.Message.Contain("[7, 2, 4]")
        );
    }

    private static QuantizedTensor RandomWeight(Shape shape, int group, Random random)
    {
        long rows = shape[0];
        long columns = shape.Count / rows;
        long groups = group == 0 ? 1 : (columns + group - 1) / group;
        byte[] codes = new byte[group == 0 ? shape.Count : rows * groups * group / 2];
        random.NextBytes(codes);
        float[] scales = [.. Enumerable.Range(0, (int)(rows * groups)).Select(_ => random.NextSingle() / 100 + 0.01f)];
        return new QuantizedTensor(shape, group == 0 ? 8 : 4, group, [.. codes], [.. scales]);
    }

    /// <summary>(code − zero point) · scale, as the class describes its layout.</summary>
    private static double Value(QuantizedTensor weight, int row, int column)
    {
        if (weight.Group == 0)
            return (double)(sbyte)weight.Codes[row * (int)weight.Columns + column] * weight.Scales[row];
        int group = row * (int)weight.Groups + column / weight.Group;
        int pair = weight.Codes[(group * weight.Group + column % weight.Group) / 2];
        return ((column % 2 == 0 ? pair & 15 : pair >> 4) - 8) * (double)weight.Scales[group];
    }
}
