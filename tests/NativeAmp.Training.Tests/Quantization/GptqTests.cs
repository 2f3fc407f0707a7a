using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Quantization;

/// <summary>GPTQ against plain loops in double (Frantar et al. 2022, algorithm 1), and against rounding to
/// nearest.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class GptqTests(DeviceKind deviceKind)
{
    private const int Inputs = 70;
    private const int Outputs = 9;
    private const int Samples = 200;

    private static readonly QuantizationScheme Scheme = new()
    {
        Kind = QuantizationKind.Int4,
        Group = 32,
        Method = QuantizationMethod.Gptq,
    };

    [Test]
    public void A_layers_output_is_nearer_than_by_rounding_each_value_by_itself()
    {
        float[] data = Correlated();
        double gptq = OutputError(Scheme, data);
        double nearest = OutputError(Scheme with { Method = QuantizationMethod.Rtn }, data);

        Assert.That(gptq, Is.LessThan(0.6 * nearest));
    }

    [Test]
    public void Codes_are_those_of_the_paper_with_the_inverse_written_out()
    {
        float[] data = Correlated();
        using Device device = deviceKind.Open();
        using var layer = new Linear(Inputs, Outputs, random: new RandomGenerator(1)).To(device);
        double[,] weight = Matrix(layer.Weight.ToFloats(), Outputs, Inputs);
        Quantizer.Quantize(layer, Scheme, model => Forward((Linear)model, device, data));

        (int[,] levels, double[,] scales) = Reference(weight, data);

        QuantizedTensor quantized = layer.Quantized!;
        int differ = 0;
        for (int row = 0; row < Outputs; row++)
        {
            for (int column = 0; column < Inputs; column++)
            {
                differ += quantized.Level(row, column) == levels[row, column] ? 0 : 1;
                float scale = quantized.Scales[row * 3 + column / 32];
                Assert.That(scale, Is.EqualTo(scales[row, column / 32]).Within(2e-3).Percent);
            }
        }

        // A value half-way between two codes may go either way by float32's rounding, and moves those after it.
        Assert.That(differ, Is.LessThanOrEqualTo(3));
    }

    [Test]
    public void An_input_that_is_always_zero_does_no_harm()
    {
        float[] data = Correlated();
        for (int i = 0; i < data.Length; i += Inputs)
            data[i + 5] = 0;

        Assert.That(OutputError(Scheme, data), Is.LessThan(0.05));
    }

    [Test]
    public void It_needs_data_and_the_others_take_none()
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(Inputs, Outputs, random: new RandomGenerator(1)).To(device);

        Assert.Multiple(() =>
        {
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme),
                Throws.ArgumentException.With.Message.Contains("give a calibrate")
            );
            Assert.That(
                () => Quantizer.Quantize(layer, new QuantizationScheme(), _ => { }),
                Throws.ArgumentException.With.Message.Contains("calibrate is for Int8Static and for Gptq")
            );
            Assert.That(
                () => Quantizer.Quantize(layer, Scheme, _ => { }),
                Throws.InvalidOperationException.With.Message.Contains("had no finite input")
            );
            Assert.That(layer.Quantized, Is.Null);
        });
    }

    [Test]
    public void A_layer_too_wide_for_a_matrix_of_its_inputs_is_refused_before_anything_is_computed()
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(16_385, 1, initializer: Initializers.Constant(1)).To(device);

        Assert.That(
            () => Quantizer.Quantize(layer, Scheme, _ => Assert.Fail("it computed")),
            Throws.ArgumentException.With.Message.Contains("16385 inputs")
        );
    }

    // Inputs that share three sources, so that an error in one can be made good in others.
    private static float[] Correlated()
    {
        var random = new Random(3);
        float[] data = new float[Samples * Inputs];
        for (int sample = 0; sample < Samples; sample++)
        {
            double[] sources = [random.NextDouble() - 0.5, random.NextDouble() - 0.5, random.NextDouble() - 0.5];
            for (int i = 0; i < Inputs; i++)
                data[sample * Inputs + i] = (float)(sources[i % 3] + 0.3 * (random.NextDouble() - 0.5));
        }

        return data;
    }

    private static float[] Forward(Linear layer, Device device, float[] data)
    {
        using var noGrad = NoGrad.Enter();
        using var input = Tensor.From(device, data, [data.Length / Inputs, Inputs]);
        return layer.Call(input).ToFloats();
    }

    // The mean square of the output's error, over that of the output.
    private double OutputError(QuantizationScheme scheme, float[] data)
    {
        using Device device = deviceKind.Open();
        using var layer = new Linear(Inputs, Outputs, random: new RandomGenerator(1)).To(device);
        float[] before = Forward(layer, device, data);
        Quantizer.Quantize(
            layer,
            scheme,
            scheme.Method == QuantizationMethod.Gptq ? model => Forward((Linear)model, device, data) : null
        );
        float[] after = Forward(layer, device, data);
        return before.Zip(after, (x, y) => Math.Pow(x - y, 2)).Sum() / before.Sum(x => (double)x * x);
    }

    // H⁻¹ by elimination; after each column its row and column are taken out of it.
    private static (int[,] Levels, double[,] Scales) Reference(double[,] weight, float[] data)
    {
        double[,] h = new double[Inputs, Inputs];
        double mean = 0;
        for (int i = 0; i < Inputs; i++)
        {
            for (int j = 0; j < Inputs; j++)
            {
                for (int sample = 0; sample < Samples; sample++)
                    h[i, j] += (double)data[sample * Inputs + i] * data[sample * Inputs + j];
            }

            mean += h[i, i] / Inputs;
        }

        for (int i = 0; i < Inputs; i++)
            h[i, i] += 0.01 * mean;
        double[,] inverse = Inverse(h);
        var levels = new int[Outputs, Inputs];
        var scales = new double[Outputs, (Inputs + 31) / 32];
        for (int column = 0; column < Inputs; column++)
        {
            for (int row = 0; row < Outputs; row++)
            {
                if (column % 32 == 0)
                    scales[row, column / 32] =
                        Enumerable
                            .Range(column, Math.Min(32, Inputs - column))
                            .Select(i => weight[row, i])
                            .MaxBy(Math.Abs) / -8;
                double scale = scales[row, column / 32];
                levels[row, column] = (int)Math.Clamp(Math.Round(weight[row, column] / scale), -8, 7);
                double error = (weight[row, column] - levels[row, column] * scale) / inverse[column, column];
                for (int i = column; i < Inputs; i++)
                    weight[row, i] -= error * inverse[column, i];
            }

            double own = inverse[column, column];
            double[] line = [.. Enumerable.Range(0, Inputs).Select(i => inverse[column, i])];
            for (int i = 0; i < Inputs; i++)
            {
                for (int j = 0; j < Inputs; j++)
                    inverse[i, j] -= line[i] * line[j] / own;
            }
        }

        return (levels, scales);
    }

    private static double[,] Inverse(double[,] matrix)
    {
        var left = (double[,])matrix.Clone();
        var inverse = new double[Inputs, Inputs];
        for (int i = 0; i < Inputs; i++)
            inverse[i, i] = 1;
        for (int p = 0; p < Inputs; p++)
        {
            double pivot = left[p, p];
            for (int j = 0; j < Inputs; j++)
                (left[p, j], inverse[p, j]) = (left[p, j] / pivot, inverse[p, j] / pivot);
            for (int i = 0; i < Inputs; i++)
            {
                double factor = left[i, p];
                for (int j = 0; i != p && j < Inputs; j++)
                {
                    left[i, j] -= factor * left[p, j];
                    inverse[i, j] -= factor * inverse[p, j];
                }
            }
        }

        return inverse;
    }

    private static double[,] Matrix(float[] values, int rows, int columns)
    {
        var matrix = new double[rows, columns];
        for (int i = 0; i < values.Length; i++)
            matrix[i / columns, i % columns] = values[i];
        return matrix;
    }
}
