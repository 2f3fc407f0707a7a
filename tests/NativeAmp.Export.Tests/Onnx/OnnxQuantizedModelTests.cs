using NativeAmp.Onnx;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Export.Tests.Onnx;

/// <summary>
/// Quantised models give in ONNX Runtime the outputs that they give here: within 3e-6 of the largest output where it
/// keeps inputs of matrices in float32, and within 4e-2 where it rounds them to 8 bits, which is its default. With
/// <see cref="QuantizationKind.Int4Dynamic"/> both round, and a value between two codes may get the other one.
/// </summary>
public class OnnxQuantizedModelTests
{
    private const int Samples = 1000;

    private static readonly QuantizationScheme[] Schemes =
    [
        new QuantizationScheme { Kind = QuantizationKind.Int8 },
        new QuantizationScheme { Kind = QuantizationKind.Int4, Group = 32 },
        new QuantizationScheme
        {
            Kind = QuantizationKind.Int4,
            Group = 64,
            Method = QuantizationMethod.Hqq,
        },
        new QuantizationScheme { Kind = QuantizationKind.Int4Dynamic, Group = 32 },
    ];

    [TestCaseSource(nameof(Schemes))]
    public void Cnn_and_mlp_give_our_outputs_for_1000_images(QuantizationScheme scheme)
    {
        var random = new Random(2);
        float[] images = [.. Enumerable.Range(0, Samples * 144).Select(_ => random.NextSingle())];
        using Sequential cnn = Models.Cnn(new RandomGenerator(7), height: 12, width: 12).To(Processor.Cpu);
        using Sequential mlp = Models.Mlp(new RandomGenerator(7), inputs: 144).To(Processor.Cpu);

        Holds(cnn, scheme, images, [Samples, 1, 12, 12], path => OnnxExport.Save(cnn, [1, 12, 12], path));
        Holds(mlp, scheme, images, [Samples, 144], path => OnnxExport.Save(mlp, [144], path));
    }

    [TestCaseSource(nameof(Schemes))]
    public void Gpt_gives_our_logits_for_1000_sequences(QuantizationScheme scheme)
    {
        var random = new Random(3);
        int[] tokens = [.. Enumerable.Range(0, Samples * 7).Select(_ => random.Next(256))];
        using Gpt gpt = OnnxRuntimeTests.SmallGpt(Activation.GeluTanh);

        Holds(gpt, scheme, tokens, [Samples, 7], path => OnnxExport.Save(gpt, path));
    }

    // The runtime multiplies by 1 / scale where we divide, so that a value between two codes may get the other one.
    [TestCase(32)]
    [TestCase(128)]
    public void A_layer_of_4_and_8_bits_has_the_codes_of_the_runtime(int group)
    {
        var random = new Random(5);
        float[] input = [.. Enumerable.Range(0, Samples * 272).Select(_ => random.NextSingle() - 0.5f)];
        using Sequential model = new Sequential(new Linear(272, 40, random: new RandomGenerator(1))).To(Processor.Cpu);
        Quantizer.Quantize(model, new QuantizationScheme { Kind = QuantizationKind.Int4Dynamic, Group = group });
        using var folder = new ScratchFolder();
        OnnxExport.Save(model, [272], folder.File("model.onnx"));

        float[] ours = OnnxRuntimeTests.Forward(model, input, [Samples, 272]);
        using var exported = new OnnxModel(folder.File("model.onnx"));
        float[] theirs = exported.Run(input, Samples, 272);

        float largest = ours.Max(MathF.Abs);
        float[] differences = [.. theirs.Zip(ours, (x, y) => MathF.Abs(x - y) / largest).Order()];
        TestContext.Out.WriteLine($"99 %: {differences[differences.Length * 99 / 100]:G3}, all: {differences[^1]:G3}");
        Assert.That(differences[differences.Length * 99 / 100], Is.LessThan(3e-6));
        Assert.That(differences[^1], Is.LessThan(5e-3));
    }

    [Test]
    public void Transformers_files_refuse_a_quantised_model_by_its_layer()
    {
        using Gpt gpt = OnnxRuntimeTests.SmallGpt(Activation.GeluTanh);
        Quantizer.Quantize(gpt, Schemes[0] with { Keep = ["block0.attention.qkv"] });
        using var folder = new ScratchFolder();

        Assert.That(
            () => TransformersGpt2.Save(gpt, folder.File("x")),
            Throws.TypeOf<ExportException>().With.Message.Contain("'block0.attention.projection' is quantised")
        );
        Assert.That(folder.Files(), Is.Empty);
    }

    [Test]
    public void A_model_of_integers_alone_is_asked_on_its_own_device()
    {
        using Device device = Device.Cpu(threads: 1);
        using Sequential model = new Sequential(new Linear(32, 4, bias: false, random: new RandomGenerator(1))).To(
            device
        );
        Assert.That(model.Device, Is.SameAs(device));
        Quantizer.Quantize(model, Schemes[0]);
        using var folder = new ScratchFolder();

        OnnxExport.Save(model, [32], folder.File("model.onnx"));

        Assert.That(model.State(), Is.Empty);
        Assert.That(model.Device, Is.SameAs(device));
        Assert.That(folder.Files(), Is.Not.Empty);
    }

    private static void Holds<T>(Module model, QuantizationScheme scheme, T[] input, int[] shape, Action<string> save)
        where T : unmanaged
    {
        using var folder = new ScratchFolder();
        save(folder.File("float.onnx"));
        Quantizer.Quantize(model, scheme);
        save(folder.File("integers.onnx"));
        // Embeddings stay as they are.
        Assert.That(
            new FileInfo(folder.File("integers.onnx")).Length,
            Is.LessThan(0.6 * new FileInfo(folder.File("float.onnx")).Length)
        );

        float[] ours = OnnxRuntimeTests.Forward(model, input, new Shape([.. shape.Select(size => (long)size)]));
        using var exact = new OnnxModel(folder.File("integers.onnx"), roundsInputs: false);
        OnnxRuntimeTests.Agree(Run(exact), ours, scheme.Kind == QuantizationKind.Int4Dynamic ? 4e-2 : 3e-6);
        using var byDefault = new OnnxModel(folder.File("integers.onnx"));
        OnnxRuntimeTests.Tell(OnnxRuntimeTests.Agree(Run(byDefault), ours, 4e-2));

        float[] Run(OnnxModel exported) =>
            input is int[] tokens
                ? exported.Run(Array.ConvertAll(tokens, token => (long)token), shape)
                : exported.Run(input, shape);
    }
}
