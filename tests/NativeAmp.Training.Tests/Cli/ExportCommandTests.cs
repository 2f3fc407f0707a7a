using System.Text;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Onnx;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>nativeamp export writes the files that the library writes of the same model.</summary>
public class ExportCommandTests : FolderTests
{
    private static readonly GptOptions Small = new()
    {
        Context = 8,
        Width = 32,
        Heads = 2,
        Blocks = 1,
        Activation = Activation.GeluTanh,
    };

    [Test]
    public void A_checkpoint_says_its_heads_and_its_gelu()
    {
        string checkpoints = Train("--heads", "2", "--gelu", "tanh");
        using Device device = Device.Cpu();
        using Gpt model = new Gpt(Small).To(device);
        model.Load(
            Directory.GetFiles(checkpoints).Single(),
            name => name.Replace("model.", "", StringComparison.Ordinal),
            strict: false
        );

        Assert.That(Export(checkpoints, "--to", "onnx"), Is.EqualTo(Written(path => OnnxExport.Save(model, path))));
        Assert.That(
            Export(checkpoints, "--to", "gguf", "--dtype", "q4_0"),
            Is.EqualTo(Written(path => GgufExport.Save(model, path, GgufType.Q4_0)))
        );
        Assert.That(CliHost.Run("export", checkpoints, "--to", "transformers", "--out", In("hub")).Code, Is.Zero);
        using Gpt read = TransformersGpt2.Load(In("hub"));
        Assert.That(read.Options, Is.EqualTo(Small));
        Assert.That(read.Positions.ToArray<float>(), Is.EqualTo(model.Positions.ToArray<float>()));
    }

    [Test]
    public void A_checkpoint_without_the_tanh_gelu_is_refused_for_llama()
    {
        (int code, _, string error) = CliHost.Run("export", Train(), "--to", "gguf", "--out", In("x.gguf"));

        Assert.That((code, File.Exists(In("x.gguf"))), Is.EqualTo((ExitCode.Failure, false)));
        Assert.That(error, Does.Contain("--gelu tanh"));
    }

    [TestCase("int4", "--group", "32")]
    [TestCase("int8")]
    public void A_quantised_gpt_goes_to_llama_in_one_command_or_two(params string[] scheme)
    {
        string checkpoints = Train("--heads", "2", "--gelu", "tanh");
        string[] quantize = ["quantize", checkpoints, "--to", .. scheme, "--out"];

        foreach (string name in (string[])["q.safetensors", "q.gguf", "q.onnx"])
        {
            (int code, _, string error) = CliHost.Run([.. quantize, In(name)]);
            Assert.That(code, Is.Zero, error);
        }

        Assert.That(Export(In("q.safetensors"), "--to", "gguf"), Is.EqualTo(File.ReadAllBytes(In("q.gguf"))));
        Assert.That(Export(In("q.safetensors"), "--to", "onnx"), Is.EqualTo(File.ReadAllBytes(In("q.onnx"))));
        Assert.That(
            Export(In("q.safetensors"), "--to", "gguf", "--dtype", "q8_0"),
            Has.Length.LessThan(new FileInfo(In("q.gguf")).Length),
            "the token embedding has the type of --dtype"
        );
    }

    [TestCase("q.bin", ".safetensors, .onnx, .gguf")]
    [TestCase("q.gguf", "takes gpt")]
    [TestCase("mlp.safetensors", "overwritten")]
    public void A_name_that_a_quantised_model_cannot_have_is_refused(string name, string said)
    {
        using Device device = Device.Cpu();
        using Sequential mlp = Models.Mlp(new RandomGenerator(1), 30, classes: 4).To(device);
        mlp.Save(In("mlp.safetensors"));
        byte[] before = File.ReadAllBytes(In("mlp.safetensors"));

        (int code, _, string error) = CliHost.Run("quantize", In("mlp.safetensors"), "--out", In(name));

        Assert.That(code, Is.EqualTo(ExitCode.Usage));
        Assert.That(error, Does.Contain(said));
        Assert.That(Directory.GetFiles(Folder), Has.Length.EqualTo(1));
        Assert.That(File.ReadAllBytes(In("mlp.safetensors")), Is.EqualTo(before));
    }

    [Test]
    public void A_file_of_weights_needs_its_heads()
    {
        using Device device = Device.Cpu();
        using Gpt model = new Gpt(Small, new RandomGenerator(3)).To(device);
        model.Save(In("gpt.safetensors"));

        (int code, _, string error) = CliHost.Run("export", In("gpt.safetensors"), "--out", In("x.onnx"));

        Assert.That(code, Is.EqualTo(ExitCode.Usage));
        Assert.That(error, Does.Contain("--heads"));
        Assert.That(
            Export(In("gpt.safetensors"), "--heads", "2", "--gelu", "tanh"),
            Is.EqualTo(Written(path => OnnxExport.Save(model, path)))
        );
    }

    [Test]
    public void Cnn_and_mlp_are_known_by_their_tensors()
    {
        using Device device = Device.Cpu();
        using Sequential cnn = Models.Cnn(new RandomGenerator(1), 12, 20, classes: 3).To(device);
        using Sequential mlp = Models.Mlp(new RandomGenerator(1), 30, classes: 4).To(device);
        cnn.Save(In("cnn.safetensors"));
        mlp.Save(In("mlp.safetensors"));

        Assert.That(
            Export(In("cnn.safetensors"), "--image", "12x20", "--dtype", "fp16"),
            Is.EqualTo(
                Written(path =>
                    OnnxExport.Save(cnn, [1, 12, 20], path, new OnnxExportOptions { Precision = OnnxPrecision.Float16 })
                )
            )
        );
        Assert.That(Export(In("mlp.safetensors")), Is.EqualTo(Written(path => OnnxExport.Save(mlp, [30], path))));
        Assert.That(
            CliHost.Run("export", In("cnn.safetensors"), "--out", In("x")).Error,
            Does.Contain("--image"),
            "12 × 20 is no square"
        );
    }

    [TestCase("int8", QuantizationKind.Int8)]
    [TestCase("int4", QuantizationKind.Int4)]
    [TestCase("int4-dynamic", QuantizationKind.Int4Dynamic)]
    public void Integers_are_those_of_the_quantizer(string dtype, QuantizationKind kind)
    {
        using Device device = Device.Cpu();
        using Sequential mlp = Models.Mlp(new RandomGenerator(1), 30, classes: 4).To(device);
        mlp.Save(In("mlp.safetensors"));
        Quantizer.Quantize(mlp, new QuantizationScheme { Kind = kind });

        Assert.That(
            Export(In("mlp.safetensors"), "--dtype", dtype),
            Is.EqualTo(Written(path => OnnxExport.Save(mlp, [30], path)))
        );
    }

    [Test]
    public void A_quantised_file_is_written_as_it_is_for_onnx_alone()
    {
        using Device device = Device.Cpu();
        var scheme = new QuantizationScheme { Kind = QuantizationKind.Int8Static };
        using Sequential cnn = Models.Cnn(new RandomGenerator(1), 12, 12).To(device);
        long parameters = cnn.ParameterCount();
        float[] image = [.. Enumerable.Range(0, 144).Select(i => i / 144f)];
        Quantizer.Quantize(
            cnn,
            scheme,
            model =>
            {
                using NoGrad noGrad = NoGrad.Enter();
                model.Forward(Tensor.From<float>(device, image, [1, 1, 12, 12]));
            }
        );
        QuantizedFile.Save(cnn, In("q.safetensors"), scheme);

        Assert.That(Export(In("q.safetensors")), Is.EqualTo(Written(path => OnnxExport.Save(cnn, [1, 12, 12], path))));
        string output = CliHost.Run("export", In("q.safetensors"), "--out", In("m.onnx"), "--json").Output;
        JsonElement json = JsonDocument.Parse(output).RootElement;
        (int code, _, string error) = CliHost.Run(
            "export",
            In("q.safetensors"),
            "--dtype",
            "int8",
            "--out",
            In("x.onnx")
        );
        Assert.Multiple(() =>
        {
            Assert.That(json.GetProperty("parameters").GetInt64(), Is.EqualTo(parameters));
            Assert.That(json.GetProperty("dtype").GetString(), Is.EqualTo("int8-static, mse, rtn"));
            Assert.That((code, File.Exists(In("x.onnx"))), Is.EqualTo((ExitCode.Usage, false)));
            Assert.That(error, Does.Contain("quantised already"));
        });
    }

    [Test]
    public void Json_says_what_was_written()
    {
        using Device device = Device.Cpu();
        using Sequential mlp = Models.Mlp(new RandomGenerator(1), 30, classes: 4).To(device);
        mlp.Save(In("mlp.safetensors"));

        string output = CliHost.Run("export", In("mlp.safetensors"), "--out", In("m.onnx"), "--json").Output;

        JsonElement json = JsonDocument.Parse(output).RootElement;
        Assert.That(json.GetProperty("model").GetString(), Is.EqualTo("mlp"));
        Assert.That(json.GetProperty("parameters").GetInt64(), Is.EqualTo(mlp.ParameterCount()));
        Assert.That(json.GetProperty("bytes").GetInt64(), Is.EqualTo(new FileInfo(In("m.onnx")).Length));
    }

    [Test]
    public void A_damaged_checkpoint_is_refused()
    {
        string file = Directory.GetFiles(Train("--gelu", "tanh")).Single();
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);

        (int code, _, string error) = CliHost.Run("export", file, "--out", In("x.onnx"));

        Assert.That((code, File.Exists(In("x.onnx"))), Is.EqualTo((ExitCode.Failure, false)));
        Assert.That(error, Does.Contain("damaged"));
    }

    [TestCase("--dtype", "q4_0", "fp16-weights")]
    [TestCase("--to", "pickle", "onnx, gguf")]
    [TestCase("--image", "28", "HEIGHTxWIDTH")]
    [TestCase("--image", "3x9", "HEIGHTxWIDTH")]
    [TestCase("--heads", "3", "--heads is not of mlp")]
    [TestCase("--gelu", "tanh", "--gelu is not of mlp")]
    [TestCase("--to", "gguf", "takes gpt")]
    public void Impossible_options_are_refused(string option, string value, string said)
    {
        using var mlp = Models.Mlp(new RandomGenerator(1), 30, classes: 4);
        mlp.Save(In("mlp.safetensors"));

        (int code, _, string error) = CliHost.Run(
            "export",
            In("mlp.safetensors"),
            "--out",
            In("x.onnx"),
            option,
            value
        );

        Assert.That((code, File.Exists(In("x.onnx"))), Is.EqualTo((ExitCode.Usage, false)));
        Assert.That(error, Does.Contain(said));
    }

    [Test]
    public void A_file_of_something_else_and_a_missing_or_the_same_output_are_refused()
    {
        using var other = new Sequential(new LayerNorm(4));
        other.Save(In("other.safetensors"));

        Assert.That(
            CliHost.Run("export", In("other.safetensors"), "--out", In("x")).Error,
            Does.Contain("OnnxExport.Save")
        );
        Assert.That(CliHost.Run("export", In("other.safetensors")).Error, Does.Contain("--out"));
        Assert.That(
            CliHost.Run("export", In("other.safetensors"), "--out", In("other.safetensors")).Error,
            Does.Contain("overwritten")
        );
        Assert.That(CliHost.Run("export", In("nothing"), "--out", In("x")).Code, Is.EqualTo(ExitCode.Failure));
    }

    private string Train(params string[] more)
    {
        File.WriteAllText(In("text"), string.Concat(Enumerable.Repeat("to be or not to be, ", 20)), Encoding.ASCII);
        (int code, _, string error) = CliHost.Run([
            .. "train --model gpt --steps 2 --batch 2 --context 8 --width 32 --blocks 1 --device cpu --sample 0".Split(
                ' '
            ),
            "--data",
            In("text"),
            "--checkpoint",
            In("checkpoints"),
            .. more,
        ]);
        Assert.That(code, Is.Zero, error);
        return In("checkpoints");
    }

    private byte[] Export(string file, params string[] more)
    {
        (int code, _, string error) = CliHost.Run(["export", file, "--out", In("exported"), .. more]);
        Assert.That(code, Is.Zero, error);
        return File.ReadAllBytes(In("exported"));
    }

    private byte[] Written(Action<string> save)
    {
        save(In("written"));
        return File.ReadAllBytes(In("written"));
    }

    private string In(string name) => Path.Combine(Folder, name);
}
