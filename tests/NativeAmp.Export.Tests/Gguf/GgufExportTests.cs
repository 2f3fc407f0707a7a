using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Export.Tests.Gguf;

/// <summary>Files against the format's specification, by a reader of the tests; and refusals.</summary>
public class GgufExportTests
{
    /// <summary>Puts the numbers of a file into a model, by the names that llama.cpp has for gpt2.</summary>
    internal static void Take(Gpt model, GgufReader file)
    {
        foreach ((string name, Parameter parameter) in Named(model))
            parameter.CopyFrom<float>(file.Tensors[name].Numbers);
    }

    [Test]
    public void A_file_says_what_the_model_is()
    {
        using Gpt model = TrainedGpt.Create();

        GgufReader file = Export(model, GgufType.Q8_0);

        Assert.That(file.Values["general.architecture"], Is.EqualTo("gpt2"));
        Assert.That(file.Values["general.file_type"], Is.EqualTo(7u));
        Assert.That(file.Values["gpt2.context_length"], Is.EqualTo(32u));
        Assert.That(file.Values["gpt2.embedding_length"], Is.EqualTo(64u));
        Assert.That(file.Values["gpt2.feed_forward_length"], Is.EqualTo(256u));
        Assert.That(file.Values["gpt2.block_count"], Is.EqualTo(2u));
        Assert.That(file.Values["gpt2.attention.head_count"], Is.EqualTo(4u));
        Assert.That(file.Values["gpt2.attention.layer_norm_epsilon"], Is.EqualTo(1e-5f));
        Assert.That((object[])file.Values["tokenizer.ggml.tokens"], Has.Length.EqualTo(256).And.Unique);
    }

    [Test]
    public void Float32_keeps_every_bit()
    {
        using Gpt model = TrainedGpt.Create();

        GgufReader file = Export(model, GgufType.F32);

        (string Name, Parameter Parameter)[] parts = [.. Named(model)];
        Assert.That(file.Tensors.Keys, Is.EquivalentTo(parts.Select(part => part.Name)));
        foreach ((string name, Parameter parameter) in parts)
        {
            Assert.That(file.Tensors[name].Sizes, Is.EqualTo(parameter.Shape.Dimensions.ToArray().Reverse()), name);
            Assert.That(file.Tensors[name].Numbers, Is.EqualTo(parameter.ToArray<float>()), name);
        }
    }

    /// <summary>
    /// Half a step of the type: 2⁻¹¹ of a number for F16, 2⁻⁸ for BF16; of a block's largest, 1/254 for Q8_0, and for
    /// Q4_0 1/8, as the side without −8 ends at 7; and the scale's own rounding, 2⁻¹¹.
    /// </summary>
    [TestCase(GgufType.F16, 1u, 1.0 / 2048, false)]
    [TestCase(GgufType.BF16, 30u, 1.0 / 256, false)]
    [TestCase(GgufType.Q8_0, 8u, 1.0 / 254 + 1.0 / 2048, true)]
    [TestCase(GgufType.Q4_0, 2u, 1.0 / 8 + 1.0 / 2048, true)]
    public void Matrices_are_rounded_by_half_a_step(GgufType type, uint number, double step, bool isOfBlock)
    {
        using Gpt model = TrainedGpt.Create();

        GgufReader file = Export(model, type);

        foreach ((string name, Parameter parameter) in Named(model))
        {
            GgufReader.Tensor tensor = file.Tensors[name];
            float[] exact = parameter.ToArray<float>();
            if (parameter.Shape.Rank == 1 || name == "position_embd.weight")
            {
                Assert.That(tensor.Type, Is.Zero, name);
                Assert.That(tensor.Numbers, Is.EqualTo(exact), name);
                continue;
            }

            bool isHead = name == "token_embd.weight";
            Assert.That(tensor.Type, Is.EqualTo(type == GgufType.Q4_0 && isHead ? 8u : number), name);
            double changed = 0;
            float[] largest = [.. exact.Chunk(32).Select(block => block.Max(Math.Abs))];
            for (int i = 0; i < exact.Length; i++)
            {
                double size = isOfBlock ? largest[i / 32] : Math.Abs(exact[i]);
                double error = Math.Abs((double)tensor.Numbers[i] - exact[i]);
                Assert.That(error, Is.LessThanOrEqualTo(size * step + 3e-8), $"{name}[{i}]");
                changed += error;
            }

            Assert.That(changed, Is.GreaterThan(0), name);
        }
    }

    [Test]
    public void Blocks_of_zeros_and_of_one_number_are_exact([Values(GgufType.Q8_0, GgufType.Q4_0)] GgufType type)
    {
        using Gpt model = TrainedGpt.Create();
        Parameter matrix = model.Blocks[0].Expand.Weight;
        float[] numbers = new float[matrix.Count];
        numbers[40] = -2;
        numbers[70] = 127 * 8;
        numbers[100] = 1e-40f;
        matrix.CopyFrom<float>(numbers);

        float[] read = Export(model, type).Tensors["blk.0.ffn_up.weight"].Numbers;

        numbers[100] = 0;
        Assert.That(read[40], Is.EqualTo(-2).Within(1e-3));
        Assert.That(read[70], Is.EqualTo(1016).Within(0.5));
        Assert.That(read.Where((_, i) => i is not (40 or 70)), Is.All.Zero);
    }

    /// <summary>The file's numbers are levels times the scale in float16, to the bit.</summary>
    [TestCase(QuantizationKind.Int8, 64, 8u, 7u)]
    [TestCase(QuantizationKind.Int8Dynamic, 64, 8u, 7u)]
    [TestCase(QuantizationKind.Int4, 32, 2u, 2u)]
    [TestCase(QuantizationKind.Int4, 64, 2u, 2u)]
    [TestCase(QuantizationKind.Int4Dynamic, 32, 2u, 2u)]
    public void A_quantised_layer_is_written_as_its_integers(QuantizationKind kind, int group, uint matrix, uint file)
    {
        using Gpt model = TrainedGpt.Create();
        var scheme = new QuantizationScheme
        {
            Kind = kind,
            Group = group,
            Method = QuantizationMethod.Hqq,
            Keep = ["block1.expand"],
        };
        IReadOnlyList<QuantizedLayer> layers = Quantizer.Quantize(model, scheme).Layers;

        GgufReader read = Export(model, GgufType.BF16);

        Assert.That(read.Values["general.file_type"], Is.EqualTo(file));
        Assert.That(read.Tensors["token_embd.weight"].Type, Is.EqualTo(30u));
        Assert.That(read.Tensors["blk.1.ffn_up.weight"].Type, Is.EqualTo(30u), "a layer that was kept");
        Assert.That(layers, Has.Count.EqualTo(7));
        foreach (QuantizedLayer layer in layers)
        {
            GgufReader.Tensor tensor = read.Tensors[NameOf(layer.Name + ".weight")];
            QuantizedTensor weight = layer.Weight;
            Assert.That(tensor.Type, Is.EqualTo(matrix), layer.Name);
            Assert.That(tensor.Sizes, Is.EqualTo(new[] { weight.Columns, weight.Rows }), layer.Name);
            for (long row = 0, i = 0; row < weight.Rows; row++)
            {
                for (long column = 0; column < weight.Columns; column++, i++)
                {
                    long of = weight.Group == 0 ? 0 : column / weight.Group;
                    double scale = (double)(Half)weight.Scales[(int)(row * weight.Groups + of)];
                    Assert.That(tensor.Numbers[i], Is.EqualTo((float)(weight.Level(row, column) * scale)), layer.Name);
                }
            }
        }
    }

    [Test]
    public void Layers_with_codes_of_their_inputs_are_refused()
    {
        using Gpt model = TrainedGpt.Create();
        Quantizer.Quantize(
            model,
            new QuantizationScheme { Kind = QuantizationKind.Int8Static },
            gpt => TrainedGpt.Logits((Gpt)gpt, TrainedGpt.Text.AsSpan(0, TrainedGpt.Context))
        );

        Assert.That(Refused(model, GgufType.F16), Does.Contain("block0.attention.qkv").And.Contain("Int8Static"));
    }

    [Test]
    public void A_scale_of_integers_beyond_float16_is_refused_by_its_tensor()
    {
        using Gpt model = TrainedGpt.Create();
        Parameter matrix = model.Blocks[1].Contract.Weight;
        float[] numbers = matrix.ToArray<float>();
        numbers[77] = 1e7f;
        matrix.CopyFrom<float>(numbers);
        Quantizer.Quantize(model, new QuantizationScheme { Kind = QuantizationKind.Int8 });

        Assert.That(Refused(model, GgufType.F16), Does.Contain("blk.1.ffn_down.weight").And.Contain("scale"));
    }

    [TestCase(Activation.Gelu, "Gelu")]
    [TestCase(Activation.Relu, "Relu")]
    public void Another_activation_is_refused_by_name(Activation activation, string name)
    {
        using var model = new Gpt(new GptOptions { Width = 32, Activation = activation });

        Assert.That(Refused(model, GgufType.F32), Does.Contain($"is {name}").And.Contain("GptOptions.Activation"));
    }

    [Test]
    public void Tokens_that_are_not_bytes_are_refused()
    {
        using Gpt model = Small(new GptOptions { Width = 32, Vocabulary = 257 });

        Assert.That(Refused(model, GgufType.F32), Does.Contain("257 tokens").And.Contain("ONNX"));
    }

    [Test]
    public void Rows_that_are_no_whole_blocks_are_refused([Values(GgufType.Q8_0, GgufType.Q4_0)] GgufType type)
    {
        using Gpt model = Small(new GptOptions { Width = 48, Heads = 4 });

        Assert.That(Refused(model, type), Does.Contain("token_embd.weight").And.Contain("48").And.Contain("F16"));
        Assert.That(Export(model, GgufType.F16).Tensors, Is.Not.Empty);
    }

    [TestCase(GgufType.F16, 1e5f, "65504")]
    [TestCase(GgufType.Q8_0, 1e7f, "scale")]
    [TestCase(GgufType.Q4_0, 1e6f, "scale")]
    [TestCase(GgufType.Q8_0, float.NaN, "NaN")]
    [TestCase(GgufType.Q4_0, float.NegativeInfinity, "finite")]
    public void A_number_that_does_not_fit_is_refused_by_its_tensor(GgufType type, float value, string said)
    {
        using Gpt model = TrainedGpt.Create();
        Parameter matrix = model.Blocks[1].Contract.Weight;
        float[] numbers = matrix.ToArray<float>();
        numbers[77] = value;
        matrix.CopyFrom<float>(numbers);

        Assert.That(Refused(model, type), Does.Contain("blk.1.ffn_down.weight").And.Contain(said));
    }

    [Test]
    public void Bad_arguments_are_refused()
    {
        using Gpt model = TrainedGpt.Create();

        Assert.That(() => GgufExport.Save(null!, "x.gguf"), Throws.ArgumentNullException);
        Assert.That(() => GgufExport.Save(model, ""), Throws.ArgumentException);
        Assert.That(
            () => GgufExport.Save(model, "x.gguf", (GgufType)3),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contain("Q4_0")
        );
    }

    private static Gpt Small(GptOptions options) =>
        new Gpt(options with { Blocks = 1, Context = 4, Activation = Activation.GeluTanh }, new RandomGenerator(2)).To(
            Processor.Cpu
        );

    private static GgufReader Export(Gpt model, GgufType type)
    {
        using var folder = new ScratchFolder();
        GgufExport.Save(model, folder.File("gpt.gguf"), type);
        return new GgufReader(folder.File("gpt.gguf"));
    }

    private static string Refused(Gpt model, GgufType type)
    {
        using var folder = new ScratchFolder();
        string message = Assert
            .Throws<ExportException>(() => GgufExport.Save(model, folder.File("gpt.gguf"), type))!
            .Message;
        Assert.That(folder.Files(), Is.Empty);
        return message;
    }

    private static IEnumerable<(string Name, Parameter Parameter)> Named(Gpt model)
    {
        foreach ((string name, Parameter parameter) in model.NamedParameters())
            yield return (NameOf(name), parameter);
    }

    /// <summary>The name that llama.cpp has for a parameter.</summary>
    private static string NameOf(string parameter)
    {
        string[] words = parameter.Split('.');
        return parameter switch
        {
            "tokens.weight" => "token_embd.weight",
            "positions" => "position_embd.weight",
            "norm.weight" or "norm.bias" => $"output_{parameter}",
            _ => $"blk.{words[0][5..]}.{Part(string.Join('.', words[1..^1]))}.{words[^1]}",
        };

        static string Part(string name) =>
            name switch
            {
                "norm1" => "attn_norm",
                "attention.qkv" => "attn_qkv",
                "attention.projection" => "attn_output",
                "norm2" => "ffn_norm",
                "expand" => "ffn_up",
                _ => "ffn_down",
            };
    }
}
