using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>nativeamp train --masters, and the commands that read such a run's checkpoints.</summary>
internal sealed class TrainMastersTests : FolderTests
{
    private static readonly string[] Bf16 = ["--precision", "bf16"];

    private string At(string name) => Path.Combine(Folder, name);

    [SetUp]
    public void WriteText() =>
        File.WriteAllText(At("text"), string.Concat(Enumerable.Repeat("the quick brown fox. ", 60)));

    [TestCase("fp32", "remainder", "take bf16")]
    [TestCase("fp32", "none", "take bf16")]
    [TestCase("fp16", "remainder", "--masters none takes fp16")]
    public void Masters_of_another_precision_are_refused(string precision, string masters, string hint)
    {
        (int code, _, string error) = Gpt("--precision", precision, "--masters", masters);
        Assert.That(code, Is.EqualTo(ExitCode.Usage));
        Assert.That(error, Does.Contain("--masters").And.Contain(hint));

        (code, _, error) = CliHost.Run(
            "study",
            "--model",
            "gpt",
            "--data",
            At("text"),
            "--precision",
            $"bf16,{precision}",
            "--steps",
            "1",
            "--masters",
            masters,
            "--out",
            At("study")
        );
        Assert.That(code, Is.EqualTo(ExitCode.Usage), "a study, before its first run");
        Assert.That(error, Does.Contain(hint));
    }

    [Test]
    public void Rounding_of_weights_is_refused_where_there_are_masters()
    {
        (int code, _, string error) = Gpt([.. Bf16, "--masters", "remainder", "--weight-rounding", "nearest"]);
        Assert.That(code, Is.EqualTo(ExitCode.Usage));
        Assert.That(error, Does.Contain("needs --masters none"));
    }

    [Test]
    public void A_run_takes_the_bytes_of_its_masters_and_learns()
    {
        JsonElement whole = Trained("--masters", "float32"),
            split = Trained("--masters", "remainder"),
            alone = Trained("--masters", "none");
        Assert.Multiple(() =>
        {
            // Weights and biases of two blocks of width 32; embeddings, positions and norms stay float32.
            const long Halves = 2 * (12 * 32 * 32 + 9 * 32);
            Assert.That(Of(whole, "parameters") - Of(split, "parameters"), Is.EqualTo(2 * Halves).Within(4096));
            Assert.That(Of(alone, "parameters"), Is.EqualTo(Of(split, "parameters")));
            Assert.That(Of(whole, "compute_copies") - Of(split, "compute_copies"), Is.EqualTo(2 * Halves).Within(4096));
            Assert.That(
                Of(split, "optimizer_state") - Of(alone, "optimizer_state"),
                Is.EqualTo(2 * Halves).Within(4096)
            );
            double loss = whole.GetProperty("final_loss").GetDouble();
            Assert.That(loss, Is.LessThan(5.3));
            Assert.That(split.GetProperty("final_loss").GetDouble(), Is.EqualTo(loss).Within(0.02));
            Assert.That(alone.GetProperty("final_loss").GetDouble(), Is.EqualTo(loss).Within(0.1));
        });

        JsonElement Trained(params string[] masters)
        {
            (int code, string output, string error) = Gpt([.. Bf16, .. masters, "--steps", "12", "--json"]);
            Assert.That(code, Is.EqualTo(ExitCode.Success), error);
            return JsonDocument.Parse(output).RootElement;
        }

        static long Of(JsonElement summary, string kind) => summary.GetProperty("memory").GetProperty(kind).GetInt64();
    }

    [Test]
    public void Masters_may_change_on_resume_and_other_commands_read_the_checkpoints()
    {
        string[] run = [.. Bf16, "--checkpoint", At("run"), "--resume", "--steps"];
        Assert.That(Gpt([.. run, "4", "--masters", "remainder"]).Code, Is.EqualTo(ExitCode.Success));
        (int code, _, string error) = Gpt([.. run, "6"]);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain("masters was bfloat16 with remainders and is now float32"));
        (code, string output, error) = Gpt([.. run, "6", "--masters", "float32"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("Going on after step 4").And.Contain("and is now float32"));
        (code, output, error) = Gpt([.. run, "8", "--masters", "none"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("no masters (stochastic rounding)"));
        (code, output, error) = Gpt([.. run, "10", "--masters", "none", "--weight-rounding", "nearest"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("rounded stochastically and is now bfloat16 rounded to nearest"));

        foreach (
            string[] command in (string[][])
                [
                    ["inspect", At("run")],
                    ["evaluate", At("run"), "--data", At("text"), "--samples", "4"],
                    ["quantize", At("run"), "--to", "int8", "--out", At("q")],
                    ["export", At("run"), "--out", At("net.onnx")],
                    ["export", At("run"), "--to", "gguf", "--out", At("net.gguf")],
                ]
        )
        {
            (code, _, error) = CliHost.Run(command);
            Assert.That(code, Is.EqualTo(ExitCode.Success), $"{string.Join(' ', command)}: {error}");
        }
    }

    private (int Code, string Output, string Error) Gpt(params string[] arguments) =>
        CliHost.Run([
            "train",
            "--model",
            "gpt",
            "--data",
            At("text"),
            "--context",
            "8",
            "--width",
            "32",
            "--heads",
            "2",
            "--blocks",
            "2",
            "--batch",
            "4",
            "--gelu",
            "tanh",
            "--sample",
            "0",
            "--device",
            "cpu",
            "--threads",
            "1",
            .. arguments,
        ]);
}
