using NativeAmp.Onnx;
using NativeAmp.Training;

namespace NativeAmp.Export.Tests.Onnx;

/// <summary>
/// ONNX Runtime loads each file and gives our outputs. Tolerances are of the largest output: 3e-6 for float32, where
/// only the order of sums differs; 5e-3 where weights or arithmetic are float16, against our float32.
/// </summary>
public class OnnxRuntimeTests
{
    private const int Samples = 1000;
    private const int Batch = 100;
    private const double Exact = 3e-6;
    private const double Half = 5e-3;

    private static readonly object[] Precisions =
    [
        new object[] { OnnxPrecision.Float32, Exact },
        new object[] { OnnxPrecision.Float16, Half },
        new object[] { OnnxPrecision.Float16Weights, Half },
    ];

    private static RandomGenerator Seeded => new(7);

    [TestCaseSource(nameof(Precisions))]
    public void Cnn_gives_our_outputs_for_1000_images(OnnxPrecision precision, double tolerance)
    {
        using Sequential model = Models.Cnn(Seeded).To(Processor.Cpu);

        HoldsImages(model, [1, 28, 28], precision, tolerance);
    }

    /// <summary>As a model of more than 2 GiB is written.</summary>
    [Test]
    public void Weights_in_a_file_beside_the_model_give_the_same_outputs([Values] OnnxPrecision precision)
    {
        using var folder = new ScratchFolder();
        using Sequential model = Models.Cnn(Seeded).To(Processor.Cpu);
        var options = new OnnxExportOptions { Precision = precision };
        OnnxExport.Save(model, [1, 28, 28], folder.File("one.onnx"), options);

        IReadOnlyList<string> files = OnnxExport.Save(
            model,
            [1, 28, 28],
            folder.File("two.onnx"),
            options with
            {
                ExternalData = true,
            }
        );

        Assert.That(files, Is.EqualTo(new[] { folder.File("two.onnx"), folder.File("two.onnx.data") }));
        Assert.That(new FileInfo(files[0]).Length, Is.LessThan(8192), "nodes, biases and names");
        Assert.That(new FileInfo(files[1]).Length, Is.GreaterThan(model.ParameterCount()));
        var random = new Random(9);
        float[] images = [.. Enumerable.Range(0, Batch * 784).Select(_ => random.NextSingle())];
        using var one = new OnnxModel(folder.File("one.onnx"));
        using var two = new OnnxModel(folder.File("two.onnx"));
        float[] outputs = two.Run(images, Batch, 1, 28, 28);
        Assert.That(outputs, Is.EqualTo(one.Run(images, Batch, 1, 28, 28)));
        Assert.That(outputs.Distinct().Count(), Is.GreaterThan(Batch), "the weights were read");
    }

    [TestCaseSource(nameof(Precisions))]
    public void Mlp_gives_our_outputs_for_1000_images(OnnxPrecision precision, double tolerance)
    {
        using Sequential model = Models.Mlp(Seeded).To(Processor.Cpu);

        HoldsImages(model, [1, 28, 28], precision, tolerance);
    }

    [TestCaseSource(nameof(Precisions))]
    public void Every_image_module_gives_our_outputs(OnnxPrecision precision, double tolerance)
    {
        RandomGenerator random = Seeded;
        var norm = new BatchNorm2d(6);
        using Sequential model = new Sequential(
            new Conv2d(3, 6, kernel: 3, stride: 2, padding: 2, dilation: 2, groups: 3, bias: false, random: random),
            norm,
            new Gelu(),
            new MaxPool2d(3, stride: 2, padding: 1),
            new Conv2d(6, 8, kernel: 2, random: random),
            new AvgPool2d(2, padding: 1),
            new Gelu(tanh: true),
            new Dropout(0.5f, random),
            new Flatten(),
            new Sequential(new Linear(32, 16, bias: false, random: random), new RmsNorm(16)),
            new LayerNorm(16, epsilon: 1e-3f),
            new Relu()
        ).To(Processor.Cpu);
        norm.RunningMean.CopyFrom<float>([-0.1f, 0.2f, 0.3f, -0.4f, 0.5f, 0]);
        norm.RunningVariance.CopyFrom<float>([0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f]);

        HoldsImages(model, [3, 14, 14], precision, tolerance);
    }

    [TestCaseSource(nameof(Precisions))]
    public void Gpt_gives_our_logits_for_1000_sequences_of_any_length(OnnxPrecision precision, double tolerance)
    {
        using Gpt model = SmallGpt(Activation.Gelu);
        using var folder = new ScratchFolder();
        string file = folder.File("gpt.onnx");

        OnnxExport.Save(model, file, new OnnxExportOptions { Precision = precision });

        using var exported = new OnnxModel(file);
        Assert.That(exported.Input, Is.EqualTo(("input_ids", "batch, time", typeof(long))));
        Assert.That(exported.Output, Is.EqualTo(("logits", "batch, time, 256", typeof(float))));
        var random = new Random(3);
        double worst = 0;
        foreach (int time in (int[])[1, 2, 7, 16])
        {
            int[] tokens = [.. Enumerable.Range(0, Samples / 4 * time).Select(_ => random.Next(256))];
            float[] ours = Forward(model, tokens, [Samples / 4, time]);
            float[] theirs = exported.Run(Array.ConvertAll(tokens, token => (long)token), Samples / 4, time);
            worst = Math.Max(worst, Agree(theirs, ours, tolerance));
        }

        Tell(worst);
    }

    [TestCase(Activation.GeluTanh)]
    [TestCase(Activation.Relu)]
    [TestCase(Activation.Silu)]
    [TestCase(Activation.Sigmoid)]
    [TestCase(Activation.Tanh)]
    public void Gpt_of_another_activation_gives_our_logits(Activation activation)
    {
        using Gpt model = SmallGpt(activation);
        using var folder = new ScratchFolder();
        OnnxExport.Save(model, folder.File("gpt.onnx"));

        using var exported = new OnnxModel(folder.File("gpt.onnx"));

        int[] tokens = [.. Enumerable.Range(0, 64)];
        Agree(
            exported.Run(Array.ConvertAll(tokens, token => (long)token), 4, 16),
            Forward(model, tokens, [4, 16]),
            Exact
        );
    }

    [Test]
    public void Gpt_beyond_its_context_is_an_error_and_no_wrong_result()
    {
        using Gpt model = SmallGpt(Activation.Gelu);
        using var folder = new ScratchFolder();
        OnnxExport.Save(model, folder.File("gpt.onnx"));
        using var exported = new OnnxModel(folder.File("gpt.onnx"));

        Assert.That(
            () => exported.Run(new long[17], 1, 17),
            Throws.TypeOf<Microsoft.ML.OnnxRuntime.OnnxRuntimeException>()
        );
    }

    [Test]
    public void A_block_that_looks_both_ways_gives_our_outputs()
    {
        RandomGenerator random = Seeded;
        using Sequential model = new Sequential(
            new Embedding(20, 8, random: random),
            new TransformerBlock(8, 2, causal: false, random: random),
            new MultiHeadAttention(8, 4, causal: true, random: random)
        ).To(Processor.Cpu);
        using var folder = new ScratchFolder();

        OnnxExport.Save(
            model,
            [6],
            folder.File("block.onnx"),
            new OnnxExportOptions
            {
                FreeDimensions = new Dictionary<int, string> { [0] = "batch", [1] = "time" },
            }
        );

        using var exported = new OnnxModel(folder.File("block.onnx"));
        Assert.That(exported.Output, Is.EqualTo(("output", "batch, time, 8", typeof(float))));
        int[] tokens = [.. Enumerable.Range(0, 30).Select(i => i * 7 % 20)];
        Agree(
            exported.Run(Array.ConvertAll(tokens, token => (long)token), 3, 10),
            Forward(model, tokens, [3, 10]),
            Exact
        );
    }

    [Test]
    public void A_shared_matrix_is_in_the_file_once()
    {
        using Gpt model = new Gpt(
            new GptOptions
            {
                Width = 64,
                Heads = 2,
                Blocks = 1,
                Context = 8,
            },
            Seeded
        ).To(Processor.Cpu);
        using var folder = new ScratchFolder();

        OnnxExport.Save(model, folder.File("gpt.onnx"));

        long length = new FileInfo(folder.File("gpt.onnx")).Length;
        Assert.That(
            length,
            Is.GreaterThan(4 * model.ParameterCount()).And.LessThan(4 * model.ParameterCount() + 16_000)
        );
    }

    internal static Gpt SmallGpt(Activation activation)
    {
        var options = new GptOptions
        {
            Context = 16,
            Width = 32,
            Heads = 4,
            Blocks = 2,
            Dropout = 0.1f,
            Activation = activation,
        };
        Gpt model = new Gpt(options, Seeded).To(Processor.Cpu);
        // Larger than the first values of a training, so that blocks weigh in.
        var random = new Random(5);
        foreach (Parameter parameter in model.Parameters().Where(parameter => parameter.Shape.Rank == 2))
            parameter.CopyFrom<float>([.. parameter.ToArray<float>().Select(_ => random.NextSingle() - 0.5f)]);
        return model;
    }

    private static void HoldsImages(Module model, Shape sample, OnnxPrecision precision, double tolerance)
    {
        using var folder = new ScratchFolder();
        string file = folder.File("model.onnx");

        OnnxExport.Save(model, sample, file, new OnnxExportOptions { Precision = precision });

        using var exported = new OnnxModel(file);
        Assert.That(
            exported.Input,
            Is.EqualTo(("input", "batch, " + string.Join(", ", sample.Dimensions.ToArray()), typeof(float)))
        );
        Assert.That(exported.Output.Dimensions, Does.StartWith("batch, ").And.Not.EndsWith("batch"));
        var random = new Random(11);
        double worst = 0;
        for (int done = 0; done < Samples; done += Batch)
        {
            float[] images = [.. Enumerable.Range(0, (int)(Batch * sample.Count)).Select(_ => random.NextSingle())];
            int[] shape = [Batch, .. sample.Dimensions.ToArray().Select(size => (int)size)];
            float[] ours = Forward(model, images, new Shape([Batch, .. sample.Dimensions]));
            worst = Math.Max(worst, Agree(exported.Run(images, shape), ours, tolerance));
        }

        Tell(worst);
    }

    internal static void Tell(double worst) =>
        TestContext.Out.WriteLine($"largest difference, of the largest output: {worst:G2}");

    internal static float[] Forward<T>(Module model, T[] input, Shape shape)
        where T : unmanaged
    {
        model.Eval();
        using NoGrad scope = NoGrad.Enter();
        using Tensor tensor = Tensor.From(Processor.Cpu, input, shape);
        return model.Forward(tensor).ToArray<float>();
    }

    internal static double Agree(float[] theirs, float[] ours, double tolerance)
    {
        Assert.That(theirs, Has.Length.EqualTo(ours.Length));
        float largest = ours.Max(Math.Abs);
        Assert.That(largest, Is.GreaterThan(0));
        double difference = theirs.Zip(ours, (a, b) => double.IsFinite(a) ? Math.Abs((double)a - b) : double.NaN).Max();
        Assert.That(difference / largest, Is.LessThan(tolerance));
        return difference / largest;
    }
}
