using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Devices;

/// <summary>Quantised models on a GPU: the CPU's bits where all of a layer is integers, or its order of sums.</summary>
internal sealed class QuantizedModelTests : FolderTests
{
    private static readonly QuantizationKind[] Kinds = Enum.GetValues<QuantizationKind>();

    private static readonly GptOptions Small = new()
    {
        Context = 16,
        Width = 64,
        Heads = 2,
        Blocks = 2,
    };

    [TestCaseSource(nameof(Kinds))]
    public void A_linear_layer_has_the_bits_of_the_CPU(QuantizationKind kind)
    {
        using var cpu = Device.Cpu();
        using Device gpu = DeviceKind.Cuda.Open();
        foreach (long rows in (long[])[1, 3, 70])
        {
            float[] input = Quantization.QuantizerTests.Values((int)rows * 100, 2);
            using var layer = new Linear(100, 37, random: new RandomGenerator(1)).To(cpu);
            Quantize(layer, kind, model => Forward(model, cpu, input, [rows, 100]));

            float[] expected = Forward(layer, cpu, input, [rows, 100]);
            _ = layer.To(gpu);

            Assert.That(Forward(layer, gpu, input, [rows, 100]), Is.EqualTo(expected), $"{rows} rows");
            _ = layer.To(cpu);
            Assert.That(Forward(layer, cpu, input, [rows, 100]), Is.EqualTo(expected), "and back");
        }
    }

    [Test]
    public void A_static_convolution_has_the_bits_of_the_CPU()
    {
        using var cpu = Device.Cpu();
        using Device gpu = DeviceKind.Cuda.Open();
        Shape shape = [2, 6, 9, 11];
        float[] input = Quantization.QuantizerTests.Values((int)shape.Count, 3);
        using var layer = new Conv2d(6, 10, kernel: 3, padding: 1, groups: 2, random: new RandomGenerator(1)).To(cpu);
        Quantize(layer, QuantizationKind.Int8Static, model => Forward(model, cpu, input, shape));

        float[] expected = Forward(layer, cpu, input, shape);

        Assert.That(Forward(layer.To(gpu), gpu, input, shape), Is.EqualTo(expected));
    }

    [TestCaseSource(nameof(Kinds))]
    public void A_gpt_writes_the_tokens_of_the_CPU(QuantizationKind kind)
    {
        using var cpu = Device.Cpu();
        using Device gpu = DeviceKind.Cuda.Open();
        using Gpt model = Models.Gpt(Small, new RandomGenerator(2)).To(cpu);
        using Gpt other = Models.Gpt(Small, new RandomGenerator(3)).To(gpu);
        int[] tokens = [72, 101, 108, 108, 111];
        model.Eval();
        other.Eval();
        Quantize(
            model,
            kind,
            each =>
            {
                using NoGrad scope = NoGrad.Enter();
                _ = each.Forward(Tensor.From<int>(cpu, tokens, [1, tokens.Length]));
            }
        );
        string path = Path.Combine(Folder, "gpt.safetensors");
        QuantizedFile.Save(model, path, Scheme(kind));
        QuantizedFile.Load(other, path);
        var greedy = new GenerationOptions { Temperature = 0, Tokens = 8 };

        int[] expected = [.. model.Generate(tokens, greedy)];

        Assert.Multiple(() =>
        {
            Assert.That(expected, Has.Length.EqualTo(8));
            Assert.That(other.Generate(tokens, greedy), Is.EqualTo(expected), "read from the file");
            Assert.That(model.To(gpu).Generate(tokens, greedy), Is.EqualTo(expected), "taken there");
        });
    }

    [Test]
    public void A_model_that_is_quantised_on_a_GPU_has_the_integers_of_the_CPU()
    {
        using var cpu = Device.Cpu();
        using Device gpu = DeviceKind.Cuda.Open();
        using Sequential model = Models.Mlp(new RandomGenerator(3), inputs: 100).To(gpu);
        using Sequential other = Models.Mlp(new RandomGenerator(3), inputs: 100).To(cpu);

        Quantizer.Quantize(model, Scheme(QuantizationKind.Int4));
        Quantizer.Quantize(other, Scheme(QuantizationKind.Int4));

        Assert.That(((Linear)model[1]).Quantized!.Codes, Is.EqualTo(((Linear)other[1]).Quantized!.Codes));
        Assert.That(((Linear)model[1]).Quantized!.Scales, Is.EqualTo(((Linear)other[1]).Quantized!.Scales));
    }

    private static QuantizationScheme Scheme(QuantizationKind kind) => new() { Kind = kind, Group = 32 };

    // Only static codes look at samples.
    private static void Quantize(Module model, QuantizationKind kind, Action<Module> calibrate) =>
        Quantizer.Quantize(model, Scheme(kind), kind == QuantizationKind.Int8Static ? calibrate : null);

    private static float[] Forward(Module model, Device device, float[] input, Shape shape)
    {
        using NoGrad scope = NoGrad.Enter();
        return model.Forward(Tensor.From<float>(device, input, shape)).ToArray<float>();
    }
}
