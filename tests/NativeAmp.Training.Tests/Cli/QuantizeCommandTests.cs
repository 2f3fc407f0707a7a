using System.Text.Json;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Quantization;
using NativeAmp.Training.Tests.Data;
using static NativeAmp.Training.Tests.Cli.CliHost;

namespace NativeAmp.Training.Tests.Cli;

internal sealed class QuantizeCommandTests : FolderTests
{
    private string Images => Path.Combine(Folder, "data");

    private string At(string name) => Path.Combine(Folder, name);

    [Test]
    public void A_trained_cnn_becomes_integers_and_is_measured_beside_itself()
    {
        Idx.WriteTinyMnist(Images, train: 64, test: 20, seed: 7);
        Ok(
            "train",
            "--model",
            "cnn",
            "--data",
            Images,
            "--batch",
            "16",
            "--epochs",
            "1",
            "--device",
            "cpu",
            "--threads",
            "1",
            "--checkpoint",
            At("run")
        );

        JsonElement summary = Json(Ok("quantize", At("run"), "--to", "int8", "--out", At("q"), "--json"));
        JsonElement models = Json(Ok("evaluate", At("run"), At("q"), "--data", Images, "--threads", "1", "--json"))
            .GetProperty("models");

        string[] names =
        [
            .. summary.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("name").GetString()!),
        ];
        Assert.Multiple(() =>
        {
            Assert.That(names, Is.EqualTo(new[] { "0", "3", "7", "9" }));
            Assert.That(
                summary.GetProperty("bytes_after").GetInt64(),
                Is.EqualTo(models[1].GetProperty("bytes").GetInt64())
            );
            Assert.That(
                summary.GetProperty("bytes_before").GetInt64(),
                Is.EqualTo(models[0].GetProperty("bytes").GetInt64())
            );
            Assert.That(models[0].GetProperty("scheme").GetString(), Is.EqualTo("float32"));
            Assert.That(models[1].GetProperty("scheme").GetString(), Is.EqualTo("int8, rtn"));
            Assert.That(models[1].GetProperty("accuracy").GetDouble(), Is.InRange(0, 1));
            Assert.That(models[1].GetProperty("perplexity").ValueKind, Is.EqualTo(JsonValueKind.Null));
        });
    }

    [Test]
    public void A_trained_gpt_keeps_its_heads_and_nearly_its_perplexity()
    {
        File.WriteAllText(At("text"), string.Concat(Enumerable.Repeat("the quick brown fox. ", 100)));
        string[] size = ["--context", "16", "--width", "64", "--heads", "4", "--blocks", "2", "--gelu", "tanh"];
        Ok([
            "train",
            "--model",
            "gpt",
            "--data",
            At("text"),
            "--steps",
            "20",
            "--sample",
            "0",
            "--device",
            "cpu",
            "--checkpoint",
            At("run"),
            .. size,
        ]);
        Ok(
            "quantize",
            At("run"),
            "--to",
            "int4",
            "--group",
            "32",
            "--method",
            "hqq",
            "--keep",
            "block0.expand",
            "--out",
            At("q")
        );

        JsonElement models = Json(Ok("evaluate", At("run"), At("q"), "--data", At("text"), "--threads", "1", "--json"))
            .GetProperty("models");
        string text = Ok("evaluate", At("q"), "--data", At("text"), "--samples", "10");

        double before = models[0].GetProperty("perplexity").GetDouble();
        Assert.Multiple(() =>
        {
            Assert.That(models[1].GetProperty("perplexity").GetDouble(), Is.EqualTo(before).Within(0.1 * before));
            Assert.That(
                models[1].GetProperty("scheme").GetString(),
                Is.EqualTo("int4, group 32, hqq, without block0.expand")
            );
            Assert.That(text, Does.Contain("perplexity").And.Contain("10 windows"));
        });
        using var reader = SafetensorsReader.Open(At("q"));
        Assert.That(reader.Metadata["model"], Is.EqualTo("gpt, context 16, width 64, heads 4, blocks 2, tanh gelu"));
    }

    [TestCase("int8")]
    [TestCase("int8-dynamic")]
    [TestCase("int8-static")]
    [TestCase("int4")]
    [TestCase("int4-dynamic")]
    public void A_GPU_quantises_measures_and_writes_as_the_CPU_does(string to)
    {
        TestDevices.RequireGpu();
        File.WriteAllText(At("text"), string.Concat(Enumerable.Repeat("the quick brown fox. ", 10)));
        var options = new GptOptions
        {
            Context = 16,
            Width = 32,
            Heads = 2,
            Blocks = 1,
        };
        using (Device device = Device.Cpu())
        using (Gpt gpt = Models.Gpt(options, new RandomGenerator(1)).To(device))
            gpt.Save(At("gpt"));
        string[] calibrate = to == "int8-static" ? ["--calibrate", At("text"), "--calibration-samples", "2"] : [];
        foreach (string on in (string[])["cpu", "cuda"])
            Ok(["quantize", At("gpt"), "--heads", "2", "--to", to, "--device", on, "--out", At(on), .. calibrate]);
        string Generated(string on) =>
            Json(Ok("generate", At("cpu"), "--temperature", "0", "--tokens", "8", "--device", on, "--json"))
                .GetProperty("text")
                .GetString()!;
        double Perplexity(string file, string on) =>
            Json(Ok("evaluate", At(file), "--data", At("text"), "--samples", "2", "--device", on, "--json"))
                .GetProperty("models")[0]
                .GetProperty("perplexity")
                .GetDouble();

        double expected = Perplexity("cpu", "cpu");
        Assert.Multiple(() =>
        {
            Assert.That(Generated("cuda"), Is.EqualTo(Generated("cpu")).And.Not.Empty);
            Assert.That(Perplexity("cpu", "cuda"), Is.EqualTo(expected).Within(0.1).Percent);
            Assert.That(Perplexity("cuda", "cpu"), Is.EqualTo(expected).Within(0.1).Percent);
        });
    }

    [Test]
    public void Gptq_rounds_by_the_first_samples_of_data_that_it_is_given()
    {
        Idx.WriteTinyMnist(Images, train: 64, test: 40, seed: 7);
        Ok("train", "--model", "mlp", "--data", Images, "--batch", "16", "--epochs", "1", "--checkpoint", At("run"));
        string[] gptq = ["quantize", At("run"), "--to", "int4", "--method", "gptq"];

        Ok([.. gptq, "--calibrate", Images, "--calibration-samples", "32", "--out", At("q")]);

        JsonElement models = Json(Ok("evaluate", At("q"), "--data", Images, "--json")).GetProperty("models");
        Assert.That(models[0].GetProperty("scheme").GetString(), Is.EqualTo("int4, group 64, gptq"));
        Refused(ExitCode.Usage, "need --to int8-static or --method gptq", "quantize", At("run"), "--calibrate", Images);
    }

    [Test]
    public void A_static_cnn_is_calibrated_by_training_images_and_its_noisiest_outputs_are_named()
    {
        Idx.WriteTinyMnist(Images, train: 64, test: 20, seed: 7);
        Ok("train", "--model", "cnn", "--data", Images, "--batch", "16", "--epochs", "1", "--checkpoint", At("run"));
        string[] quantize = ["quantize", At("run"), "--to", "int8-static", "--calibrate", Images];

        JsonElement summary = Json(
            Ok([.. quantize, "--observer", "percentile", "--percentile", "99.9", "--out", At("q"), "--json"])
        );
        JsonElement models = Json(Ok("evaluate", At("run"), At("q"), "--data", Images, "--json")).GetProperty("models");
        string text = Ok("evaluate", At("run"), At("q"), "--data", Images);

        Assert.Multiple(() =>
        {
            Assert.That(models[1].GetProperty("scheme").GetString(), Is.EqualTo("int8-static, percentile 99.9, rtn"));
            Assert.That(
                summary.GetProperty("bytes_after").GetInt64(),
                Is.EqualTo(models[1].GetProperty("bytes").GetInt64())
            );
            Assert.That(models[0].GetProperty("layers").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(
                models[1].GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("name").GetString()),
                Is.EqualTo(new[] { "0", "3", "7", "9" })
            );
            Assert.That(models[1].GetProperty("layers")[3].GetProperty("signal_to_noise").GetDouble(), Is.AtLeast(20));
            Assert.That(text, Does.Contain("int8-static, percentile 99.9, rtn: noisiest outputs"));
            Refused(ExitCode.Usage, "--observer needs --to int8-static", "quantize", At("run"), "--observer", "mse");
            Refused(ExitCode.Usage, "--percentile needs --observer", [.. quantize, "--percentile", "99"]);
            Refused(
                ExitCode.Usage,
                "above 50 and at most 100",
                [.. quantize, "--observer", "percentile", "--percentile", "101"]
            );
        });
    }

    [TestCase("mlp", "int4")]
    [TestCase("cnn", "int8-static")]
    public void Fine_tuned_integers_have_a_lower_loss_and_the_same_seed_gives_the_same_file(string model, string to)
    {
        Idx.WriteTinyMnist(Images, train: 64, test: 20, seed: 7);
        Ok("train", "--model", model, "--data", Images, "--batch", "16", "--epochs", "2", "--checkpoint", At("run"));
        string[] plain = ["quantize", At("run"), "--to", to];
        string[] data = ["--calibrate", Images];
        string[] tuned = [.. plain, .. data, "--fine-tune", "40", "--batch", "16", "--lr", "1e-3", "--seed", "3"];

        double last = Json(Ok([.. tuned, "--out", At("q"), "--json"])).GetProperty("fine_tune_loss").GetDouble();
        string text = Ok([.. tuned, "--out", At("again")]);
        Ok([.. plain, .. to == "int4" ? [] : data, "--out", At("plain")]);

        Assert.Multiple(() =>
        {
            Assert.That(text, Does.Contain("fine-tuned 40 steps, last loss"));
            Assert.That(File.ReadAllBytes(At("q")), Is.EqualTo(File.ReadAllBytes(At("again"))));
            Assert.That(Loss(At("q")), Is.LessThan(0.9 * Loss(At("plain"))).And.EqualTo(last).Within(last));
        });
    }

    [Test]
    public void Fine_tuning_needs_data_and_rounds_to_nearest()
    {
        Idx.WriteTinyMnist(Images, train: 8, test: 4, seed: 7);
        using (Device device = Device.Cpu())
        using (Gpt gpt = Models.Gpt(new GptOptions { Context = 8, Width = 16 }, new RandomGenerator(1)).To(device))
            gpt.Save(At("gpt"));
        using (Device device = Device.Cpu())
        using (Sequential model = Models.Mlp(new RandomGenerator(1), 28 * 28).To(device))
            model.Save(At("mlp"));
        string[] tune = ["quantize", At("mlp"), "--to", "int4", "--fine-tune", "2"];

        Assert.Multiple(() =>
        {
            Refused(ExitCode.Usage, "--lr needs --fine-tune", "quantize", At("mlp"), "--lr", "1e-3");
            Refused(ExitCode.Usage, "it needs --method rtn", [.. tune, "--method", "hqq"]);
            Refused(
                ExitCode.Usage,
                "A gpt needs --calibrate FILE",
                ["quantize", At("gpt"), "--heads", "1", "--fine-tune", "2"]
            );
            Refused(ExitCode.Usage, "--batch is 128, but the data has only 8", [.. tune, "--calibrate", Images]);
        });
    }

    [Test]
    public void What_does_not_fit_is_one_line_and_an_exit_code()
    {
        using (Device device = Device.Cpu())
        using (Sequential model = Models.Mlp(new RandomGenerator(1), 28 * 28).To(device))
        {
            model.Save(At("mlp"));
            Quantizer.Quantize(model, new QuantizationScheme());
            QuantizedFile.Save(model, At("q"), new QuantizationScheme());
        }

        using (Device device = Device.Cpu())
        using (LayerNorm norm = new LayerNorm(3).To(device))
            norm.Save(At("norm"));
        Idx.WriteTinyMnist(Images, train: 8, test: 4, seed: 7);
        File.WriteAllText(At("text"), "not a file of tensors");
        Assert.Multiple(() =>
        {
            Refused(ExitCode.Usage, "quantised already", "quantize", At("q"));
            Refused(ExitCode.Usage, "'9'", "quantize", At("mlp"), "--keep", "9");
            Refused(ExitCode.Usage, "--group", "quantize", At("mlp"), "--group", "32");
            Refused(ExitCode.Usage, "--to is 'int3'", "quantize", At("mlp"), "--to", "int3");
            Refused(ExitCode.Usage, "FILE is empty", "evaluate", " ");
            Refused(ExitCode.Usage, "no network", "quantize", At("norm"));
            Refused(ExitCode.Failure, "header", "quantize", At("text"));
            Refused(ExitCode.Failure, "none", "evaluate", At("none"));
            Refused(ExitCode.Failure, "none", "evaluate", At("mlp"), "--data", At("none"));
        });
    }

    private double Loss(string file)
    {
        using Device device = Device.Cpu();
        using NetworkFile network = NetworkFile.Open(file, new NetworkHints(null, null, null), device);
        return Evaluation.MeanLoss(
            network.Model,
            (model, fields) => Training.Loss.CrossEntropy(model.Call(fields[0]), fields[1]),
            NetworkData.OpenTraining(network, Images, "--data"),
            device
        );
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
