using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>The commands train --inspect and --replay, and inspect of their files.</summary>
public class TrainInspectTests
{
    private string _folder = "";
    private string _out = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        _out = Path.Combine(_folder, "run.jsonl");
        Idx.WriteTinyMnist(Path.Combine(_folder, "data"), train: 64, test: 10, seed: 7);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Every_so_many_steps_activations_gradients_and_parameters_are_written()
    {
        (int code, string output, string error) = Train("--steps", "5", "--inspect", "2");

        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        JsonElement[] steps = Records();
        Assert.That(steps.Select(step => step.GetProperty("inspect").GetInt64()), Is.EqualTo(new long[] { 1, 2, 4 }));
        Assert.That(
            output.Split('\n').Count(line => line.StartsWith("inspect step ", StringComparison.Ordinal)),
            Is.EqualTo(3)
        );
        Assert.That(
            steps[0]
                .GetProperty("tensors")
                .EnumerateArray()
                .Select(tensor => $"{tensor.GetProperty("kind")} {tensor.GetProperty("name")}"),
            Is.EqualTo(
                new[]
                {
                    "activation 1 (linear)",
                    "activation 3 (linear)",
                    "activation cross_entropy",
                    "gradient cross_entropy",
                    "gradient 3 (linear)",
                    "parameter gradient 3.weight",
                    "parameter gradient 3.bias",
                    "gradient 1 (linear)",
                    "parameter gradient 1.weight",
                    "parameter gradient 1.bias",
                    "parameter 1.weight",
                    "parameter 1.bias",
                    "parameter 3.weight",
                    "parameter 3.bias",
                }
            )
        );
    }

    [Test]
    public void A_failed_step_is_named_kept_and_replayed_with_the_same_outcome()
    {
        // The gradient of a loss times a thousand million overflows in half precision.
        (int code, string output, string error) = Train("--steps", "2", "--inspect", "10", "--init-scale", "1e9");

        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            output,
            Does.Contain("The first that is not finite is the gradient of 3 (linear)")
                .And.Contain("Every activation is finite")
                .And.Contain("samples 8 to 15 of the pass")
        );
        JsonElement failed = Records().First(step => step.GetProperty("failed").GetBoolean());
        string file = failed.GetProperty("replay").GetString()!;
        Assert.That(failed.GetProperty("first_overflow").GetString(), Is.EqualTo("gradient of 3 (linear)"));
        Assert.That(failed.GetProperty("samples").GetArrayLength(), Is.EqualTo(8));

        (code, output, error) = CliHost.Run("train", "--replay", file, "--device", "cpu");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("The outcome is the recorded one.").And.Contain("→"));

        (code, output, error) = CliHost.Run("train", "--replay", file, "--device", "cpu", "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        JsonElement replayed = JsonDocument.Parse(output).RootElement;
        Assert.That(replayed.GetProperty("same").GetBoolean());
        Assert.That(
            Text(replayed.GetProperty("step").GetProperty("tensors")),
            Is.EqualTo(Text(failed.GetProperty("tensors"))),
            "every figure of every tensor"
        );
    }

    [Test]
    public void Only_the_newest_three_files_are_kept()
    {
        Train("--steps", "6", "--inspect", "10", "--init-scale", "1e12");

        string[] kept =
        [
            .. Directory
                .EnumerateFiles(_folder, "run-step-*.safetensors")
                .Select(Path.GetFileName)
                .Order()
                .Cast<string>(),
        ];
        Assert.That(
            kept,
            Is.EqualTo(new[] { "run-step-4.safetensors", "run-step-5.safetensors", "run-step-6.safetensors" })
        );
    }

    [Test]
    public void A_run_is_shown_by_inspect_as_text_and_as_a_page()
    {
        Train("--steps", "2", "--inspect", "1");
        string page = Path.Combine(_folder, "page.html");

        string charts = Path.Combine(_folder, "charts");

        (int code, string output, string error) = CliHost.Run(
            "inspect",
            _out,
            "--step",
            "1",
            "--html",
            page,
            "--charts",
            charts
        );

        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("1 (linear)").And.Contain("a loss scale of 2^"));
        string html = File.ReadAllText(page);
        Assert.That(
            html,
            Does.Contain("Gradients without the loss scale")
                .And.Contain("<svg")
                .And.Contain("at step 1 of a run in fp16 with a loss scale of 65536")
        );
        Assert.That(
            Directory.EnumerateFiles(charts).Select(Path.GetFileName),
            Does.Contain("gradients-with-the-loss-scale.svg").And.Contain("parameters.png")
        );
        Assert.That(CliHost.Run("inspect", _out, "--tensor", "zzz").Error, Does.Contain("no tensor of such a name"));
        Assert.That(CliHost.Run("inspect", _out, "--step", "9").Error, Does.Contain("no step 9"));
        File.AppendAllText(_out, "{\"inspect\": 3, \"comp");
        Assert.That(CliHost.Run("inspect", _out).Code, Is.EqualTo(ExitCode.Success), "a run that was killed");
        File.WriteAllText(_out, "{}\n");
        Assert.That(
            CliHost.Run("inspect", _out),
            Is.EqualTo(
                (
                    ExitCode.Failure,
                    "",
                    $"nativeamp: {_out}: at byte 0: found something else in line 1, expected a step that --inspect "
                        + "wrote.\n"
                )
            )
        );
    }

    [Test]
    public void Chosen_tensors_have_totals_of_their_own()
    {
        Train("--steps", "1", "--inspect", "1");
        string page = Path.Combine(_folder, "page.html");
        JsonElement Totals(string tensor, string kind) =>
            JsonDocument
                .Parse(CliHost.Run("inspect", _out, "--tensor", tensor, "--json", "--html", page).Output)
                .RootElement.GetProperty("totals")
                .EnumerateArray()
                .Single(total => total.GetProperty("kind").GetString() == kind);

        JsonElement[] tensors =
        [
            .. Records()[0]
                .GetProperty("tensors")
                .EnumerateArray()
                .Where(tensor => tensor.GetProperty("kind").GetString() == "activation"),
        ];
        JsonElement two = Totals("linear", "activation");
        foreach (string count in (string[])["count", "zeros"])
            Assert.That(
                two.GetProperty(count).GetInt64(),
                Is.EqualTo(tensors[..2].Sum(tensor => tensor.GetProperty(count).GetInt64())),
                "1 (linear) and 3 (linear)"
            );
        Assert.That(
            Powers(two),
            Is.EqualTo(
                tensors[..2]
                    .SelectMany(Powers)
                    .GroupBy(power => power.Exponent)
                    .Select(same => (same.Key, same.Sum(power => power.Count)))
                    .OrderBy(power => power.Key)
            )
        );
        Assert.That(
            Format(two, "bf16", "underflow"),
            Is.EqualTo(tensors[..2].Sum(tensor => Format(tensor, "bf16", "underflow")))
        );
        Assert.That(
            two.GetProperty("formats")[0].GetProperty("snr_db").ValueKind,
            Is.EqualTo(JsonValueKind.Null),
            "the noise of both is not in the file"
        );
        Assert.That(
            File.ReadAllText(page),
            Does.Contain("Gradients without the loss scale").And.Contain("Activations lie at").And.Contain("<svg")
        );

        JsonElement one = Totals("1 (linear)", "activation");
        Assert.That(Text(one.GetProperty("exponents")), Is.EqualTo(Text(tensors[0].GetProperty("exponents"))));
        Assert.That(Noise(one), Is.EqualTo(Noise(tensors[0])).And.Positive, "one is itself");
        Assert.That(
            Totals("cross_entropy", "activation").GetProperty("count").GetInt64(),
            Is.EqualTo(tensors[2].GetProperty("count").GetInt64()),
            "float32, but chosen"
        );
    }

    [Test]
    public void What_cannot_be_meant_gets_one_sentence()
    {
        Assert.Multiple(() =>
        {
            AssertRefused(ExitCode.Usage, "--inspect-out needs --inspect", "train", "--inspect-out", _out);
            AssertRefused(
                ExitCode.Usage,
                "--steps cannot be given with --replay",
                "train",
                "--replay",
                "x",
                "--steps",
                "3"
            );
            AssertRefused(ExitCode.Failure, "absent", "train", "--replay", Path.Combine(_folder, "absent"));
            AssertRefused(ExitCode.Usage, "inspected alone", "inspect", "a.safetensors", "--step", "1");
        });
        string data = Path.Combine(_folder, "data");
        Assert.That(
            CliHost
                .Run(
                    "train",
                    "--model",
                    "mlp",
                    "--data",
                    data,
                    "--steps",
                    "1",
                    "--batch",
                    "8",
                    "--device",
                    "cpu",
                    "--checkpoint",
                    Path.Combine(_folder, "c")
                )
                .Code,
            Is.EqualTo(ExitCode.Success)
        );
        AssertRefused(
            ExitCode.Failure,
            "no settings of a step",
            "train",
            "--replay",
            Directory.EnumerateFiles(Path.Combine(_folder, "c"), "*.safetensors").Single(),
            "--device",
            "cpu"
        );
    }

    private static void AssertRefused(int code, string message, params string[] arguments)
    {
        (int found, string output, string error) = CliHost.Run(arguments);
        Assert.That((found, output), Is.EqualTo((code, "")), error);
        Assert.That(error, Does.StartWith("nativeamp: ").And.Contain(message));
        Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), error);
    }

    private (int Code, string Output, string Error) Train(params string[] arguments) =>
        CliHost.Run([
            "train",
            "--model",
            "mlp",
            "--data",
            Path.Combine(_folder, "data"),
            "--batch",
            "8",
            "--device",
            "cpu",
            "--inspect-out",
            _out,
            .. arguments,
        ]);

    private JsonElement[] Records() =>
        [.. File.ReadAllLines(_out).Select(line => JsonDocument.Parse(line).RootElement)];

    private static string Text(JsonElement element) => element.GetRawText();

    private static IEnumerable<(int Exponent, long Count)> Powers(JsonElement tensor) =>
        tensor
            .GetProperty("exponents")
            .EnumerateArray()
            .Select((count, i) => (tensor.GetProperty("first_exponent").GetInt32() + i, count.GetInt64()))
            .Where(power => power.Item2 > 0);

    private static double Noise(JsonElement tensor) =>
        tensor
            .GetProperty("formats")
            .EnumerateArray()
            .Single(format => format.GetProperty("format").GetString() == "fp8-e5m2")
            .GetProperty("snr_db")
            .GetDouble();

    private static long Format(JsonElement tensor, string name, string figure) =>
        tensor
            .GetProperty("formats")
            .EnumerateArray()
            .Single(format => format.GetProperty("format").GetString() == name)
            .GetProperty(figure)
            .GetInt64();
}
