using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Export;

namespace NativeAmp.Export.Tests.Transformers;

/// <summary>
/// Folders of transformers: names and shapes as GPT2LMHeadModel has them, and the bits of the model read back.
/// </summary>
public class TransformersGpt2Tests
{
    private const int Width = 12;

    /// <summary>Names and shapes of GPT2LMHeadModel's state with n_layer 2, written down from transformers.</summary>
    private static readonly Dictionary<string, long[]> Expected = new()
    {
        ["transformer.wte.weight"] = [20, Width],
        ["transformer.wpe.weight"] = [6, Width],
        ["transformer.h.0.ln_1.weight"] = [Width],
        ["transformer.h.0.ln_1.bias"] = [Width],
        ["transformer.h.0.attn.c_attn.weight"] = [Width, 3 * Width],
        ["transformer.h.0.attn.c_attn.bias"] = [3 * Width],
        ["transformer.h.0.attn.c_proj.weight"] = [Width, Width],
        ["transformer.h.0.attn.c_proj.bias"] = [Width],
        ["transformer.h.0.ln_2.weight"] = [Width],
        ["transformer.h.0.ln_2.bias"] = [Width],
        ["transformer.h.0.mlp.c_fc.weight"] = [Width, 4 * Width],
        ["transformer.h.0.mlp.c_fc.bias"] = [4 * Width],
        ["transformer.h.0.mlp.c_proj.weight"] = [4 * Width, Width],
        ["transformer.h.0.mlp.c_proj.bias"] = [Width],
        ["transformer.h.1.ln_1.weight"] = [Width],
        ["transformer.h.1.ln_1.bias"] = [Width],
        ["transformer.h.1.attn.c_attn.weight"] = [Width, 3 * Width],
        ["transformer.h.1.attn.c_attn.bias"] = [3 * Width],
        ["transformer.h.1.attn.c_proj.weight"] = [Width, Width],
        ["transformer.h.1.attn.c_proj.bias"] = [Width],
        ["transformer.h.1.ln_2.weight"] = [Width],
        ["transformer.h.1.ln_2.bias"] = [Width],
        ["transformer.h.1.mlp.c_fc.weight"] = [Width, 4 * Width],
        ["transformer.h.1.mlp.c_fc.bias"] = [4 * Width],
        ["transformer.h.1.mlp.c_proj.weight"] = [4 * Width, Width],
        ["transformer.h.1.mlp.c_proj.bias"] = [Width],
        ["transformer.ln_f.weight"] = [Width],
        ["transformer.ln_f.bias"] = [Width],
    };

    [Test]
    public void Names_shapes_and_metadata_are_those_of_transformers()
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);

        TransformersGpt2.Save(model, folder.Path);

        using SafetensorsReader reader = SafetensorsReader.Open(folder.File("model.safetensors"));
        Assert.That(
            reader.Entries.ToDictionary(entry => entry.Name, entry => entry.Shape.ToArray()),
            Is.EqualTo(Expected)
        );
        Assert.That(reader.Metadata, Is.EqualTo(new Dictionary<string, string> { ["format"] = "pt" }));
    }

    [Test]
    public void A_matrix_is_transposed_and_a_bias_is_not()
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);

        TransformersGpt2.Save(model, folder.Path);

        using SafetensorsReader reader = SafetensorsReader.Open(folder.File("model.safetensors"));
        float[] matrix = Read(reader, "transformer.h.1.mlp.c_fc.weight");
        float[] ours = model.Blocks[1].Expand.Weight.ToArray<float>();
        for (int output = 0; output < 4 * Width; output++)
        {
            for (int input = 0; input < Width; input++)
                Assert.That(matrix[input * 4 * Width + output], Is.EqualTo(ours[output * Width + input]));
        }

        Assert.That(
            Read(reader, "transformer.h.1.mlp.c_fc.bias"),
            Is.EqualTo(model.Blocks[1].Expand.Bias!.ToArray<float>())
        );
        Assert.That(Read(reader, "transformer.wpe.weight"), Is.EqualTo(model.Positions.ToArray<float>()));
    }

    [Test]
    public void The_configuration_says_the_sizes()
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.Gelu);

        TransformersGpt2.Save(model, folder.Path, DType.BFloat16);

        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(folder.File("config.json")));
        JsonElement config = json.RootElement;
        Assert.That(config.GetProperty("model_type").GetString(), Is.EqualTo("gpt2"));
        Assert.That(config.GetProperty("architectures")[0].GetString(), Is.EqualTo("GPT2LMHeadModel"));
        Assert.That(config.GetProperty("vocab_size").GetInt32(), Is.EqualTo(20));
        Assert.That(config.GetProperty("n_positions").GetInt32(), Is.EqualTo(6));
        Assert.That(config.GetProperty("n_embd").GetInt32(), Is.EqualTo(Width));
        Assert.That(config.GetProperty("n_head").GetInt32(), Is.EqualTo(3));
        Assert.That(config.GetProperty("n_layer").GetInt32(), Is.EqualTo(2));
        Assert.That(config.GetProperty("activation_function").GetString(), Is.EqualTo("gelu"));
        Assert.That(config.GetProperty("torch_dtype").GetString(), Is.EqualTo("bfloat16"));
    }

    [Test]
    public void A_model_is_read_back_to_its_bits(
        [Values(
            Activation.Gelu,
            Activation.GeluTanh,
            Activation.Relu,
            Activation.Silu,
            Activation.Sigmoid,
            Activation.Tanh
        )]
            Activation activation
    )
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(activation);
        TransformersGpt2.Save(model, folder.Path);

        using Gpt read = TransformersGpt2.Load(folder.Path);

        Assert.That(read.Options, Is.EqualTo(model.Options));
        foreach (((string name, Parameter theirs), (_, Parameter ours)) in read.State().Zip(model.State()))
            Assert.That(Bits(theirs), Is.EqualTo(Bits(ours)), name);
    }

    [Test]
    public void Half_precision_is_rounded_once_and_read_back_to_its_bits(
        [Values(DType.Float16, DType.BFloat16)] DType dtype
    )
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);
        TransformersGpt2.Save(model, folder.File("once"), dtype);
        using Gpt once = TransformersGpt2.Load(folder.File("once"));
        TransformersGpt2.Save(once, folder.File("twice"), dtype);

        Assert.That(Tensors("twice"), Is.EqualTo(Tensors("once")));
        foreach ((Parameter rounded, Parameter exact) in once.Parameters().Zip(model.Parameters()))
            Assert.That(
                rounded.ToArray<float>(),
                Is.EqualTo(
                    exact
                        .ToArray<float>()
                        .Select(value => dtype == DType.Float16 ? (float)(Half)value : (float)(BFloat16)value)
                )
            );

        byte[] Tensors(string name) => File.ReadAllBytes(folder.File(Path.Combine(name, "model.safetensors")));
    }

    [Test]
    public void The_first_release_of_GPT2_has_other_names_and_its_mask()
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);
        TransformersGpt2.Save(model, folder.Path);
        Rewrite(
            folder,
            name => name["transformer.".Length..],
            new SafetensorsEntry("h.0.attn.bias", SafetensorsDType.F32, [1, 1, 6, 6]),
            new SafetensorsEntry("lm_head.weight", SafetensorsDType.F32, [1])
        );

        using Gpt read = TransformersGpt2.Load(folder.Path);

        Assert.That(Bits(read.Blocks[1].Contract.Weight), Is.EqualTo(Bits(model.Blocks[1].Contract.Weight)));
    }

    [Test]
    public void Other_tensors_are_refused_by_name()
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);
        TransformersGpt2.Save(model, folder.Path);
        Rewrite(folder, name => name == "transformer.ln_f.bias" ? "ln.bias" : name);

        Assert.That(
            () => TransformersGpt2.Load(folder.Path),
            Throws
                .TypeOf<CheckpointException>()
                .With.Message.Contain("no 'transformer.ln_f.bias'")
                .And.Message.Contain("'ln.bias' is not of GPT-2")
        );
    }

    [TestCase("n_inner", "13", "n_inner of 13")]
    [TestCase("layer_norm_epsilon", "1e-6", "layer_norm_epsilon")]
    [TestCase("activation_function", "\"quick_gelu\"", "quick_gelu")]
    [TestCase("model_type", "\"llama\"", "llama")]
    [TestCase("n_head", "5", "heads")]
    [TestCase("n_head", "0", "n_head")]
    [TestCase("n_embd", "1.5", "n_embd")]
    [TestCase("n_layer", "\"2\"", "n_layer")]
    [TestCase("vocab_size", "2147483648", "vocab_size")]
    [TestCase("tie_word_embeddings", "false", "tie_word_embeddings")]
    [TestCase("scale_attn_by_inverse_layer_idx", "true", "scale_attn_by_inverse_layer_idx")]
    public void A_model_that_a_Gpt_cannot_be_is_refused_by_its_property(string name, string value, string said)
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);
        TransformersGpt2.Save(model, folder.Path);
        Configure(folder, name, value);

        Assert.That(
            () => TransformersGpt2.Load(folder.Path),
            Throws.TypeOf<DataFormatException>().With.Message.Contain(said)
        );
    }

    [TestCase("vocab_size", "2147483647")]
    [TestCase("n_positions", "2147483647")]
    [TestCase("n_layer", "1000000000")]
    [TestCase("n_embd", "2147483646")]
    public void Sizes_beyond_the_file_take_no_memory(string name, string value)
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);
        TransformersGpt2.Save(model, folder.Path);
        Configure(folder, name, value);
        Configure(folder, "n_inner", "null");
        long before = GC.GetAllocatedBytesForCurrentThread();

        Assert.That(
            () => TransformersGpt2.Load(folder.Path),
            Throws.TypeOf<CheckpointException>().With.Message.Contain("too small")
        );
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void A_number_beyond_float16_is_refused_and_an_old_file_stays()
    {
        using var folder = new ScratchFolder();
        using Gpt model = Random(Activation.GeluTanh);
        TransformersGpt2.Save(model, folder.Path);
        byte[] old = File.ReadAllBytes(folder.File("model.safetensors"));
        model.Norm.Bias.CopyFrom<float>([.. Enumerable.Repeat(1e9f, Width)]);

        Assert.That(
            () => TransformersGpt2.Save(model, folder.Path, DType.Float16),
            Throws.TypeOf<ExportException>().With.Message.Contain("transformer.ln_f.bias")
        );
        Assert.That(File.ReadAllBytes(folder.File("model.safetensors")), Is.EqualTo(old));
        Assert.That(() => TransformersGpt2.Save(model, folder.Path, DType.Int32), Throws.ArgumentException);
    }

    private static Gpt Random(Activation activation)
    {
        var options = new GptOptions
        {
            Vocabulary = 20,
            Context = 6,
            Width = Width,
            Heads = 3,
            Blocks = 2,
            Activation = activation,
        };
        var model = new Gpt(options, new RandomGenerator(4));
        var random = new Random(6);
        foreach (Parameter parameter in model.Parameters())
            parameter.CopyFrom<float>([.. parameter.ToArray<float>().Select(_ => random.NextSingle() - 0.5f)]);
        return model;
    }

    private static int[] Bits(Parameter parameter) =>
        Array.ConvertAll(parameter.ToArray<float>(), BitConverter.SingleToInt32Bits);

    private static float[] Read(SafetensorsReader reader, string name)
    {
        SafetensorsEntry entry = reader.Find(name)!;
        byte[] bytes = new byte[entry.ByteLength];
        reader.Read(entry, bytes);
        return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
    }

    private static void Rewrite(ScratchFolder folder, Func<string, string> rename, params SafetensorsEntry[] more)
    {
        string path = folder.File("model.safetensors");
        using var file = new MemoryStream();
        using (SafetensorsReader reader = SafetensorsReader.Open(path))
        {
            var writer = new SafetensorsWriter(
                file,
                [.. reader.Entries.Select(entry => entry with { Name = rename(entry.Name) }), .. more]
            );
            foreach (SafetensorsEntry entry in reader.Entries)
            {
                byte[] bytes = new byte[entry.ByteLength];
                reader.Read(entry, bytes);
                writer.Write(bytes);
            }

            foreach (SafetensorsEntry entry in more)
                writer.Write(new byte[entry.ByteLength]);
            writer.Complete();
        }

        File.WriteAllBytes(path, file.ToArray());
    }

    private static void Configure(ScratchFolder folder, string name, string value)
    {
        JsonNode config = JsonNode.Parse(File.ReadAllBytes(folder.File("config.json")))!;
        config[name] = JsonNode.Parse(value);
        File.WriteAllText(folder.File("config.json"), config.ToJsonString());
    }
}
