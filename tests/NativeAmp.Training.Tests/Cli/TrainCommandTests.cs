using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;
using NativeAmp.Training.Tests.Metrics;

namespace NativeAmp.Training.Tests.Cli;

public class TrainCommandTests : FolderTests
{
    private static readonly string[] StepFields =
    [
        "step",
        "loss",
        "scale",
        "found_inf",
        "skipped",
        "lr",
        "grad_norm",
        "step_ms",
    ];

    private static readonly string[] SummaryFields =
    [
        "summary",
        "samples_per_second",
        "median_step_ms",
        "test_accuracy",
        "final_loss",
        "skipped",
        "final_scale",
        "peak_bytes",
        "precision",
        "device",
        "threads",
    ];

    private static readonly string[] MemoryFields =
    [
        "parameters",
        "compute_copies",
        "gradients",
        "optimizer_state",
        "activations",
        "workspace",
        "other",
        "peak",
    ];

    private string Data => Path.Combine(Folder, "data");

    [SetUp]
    public void WriteData() => Idx.WriteTinyMnist(Data, train: 96, test: 40, seed: 7);

    [Test]
    public void TensorBoard_gets_every_step_and_pass()
    {
        string folder = Path.Combine(Folder, "board");
        (int code, string output, string error) = Train("--epochs", "2", "--tensorboard", folder);
        Assert.That(code, Is.EqualTo(ExitCode.Success), output + error);
        EventFile.Event[] events = [.. EventFile.Read(Directory.EnumerateFiles(folder).Single())];
        Assert.That(
            StepsOf("train/loss").Concat(StepsOf("train/learning_rate")),
            Is.EqualTo(Enumerable.Repeat(Enumerable.Range(1, 12), 2).SelectMany(steps => steps))
        );
        Assert.That(StepsOf("test/accuracy"), Is.EqualTo(new[] { 6, 12 }));

        IEnumerable<long> StepsOf(string tag) =>
            events.Where(e => e.Scalars.Any(scalar => scalar.Tag == tag)).Select(e => e.Step);
    }

    [TestCase("fp32")]
    [TestCase("fp16")]
    [TestCase("bf16")]
    public void Metrics_hold_exactly_what_is_promised(string precision)
    {
        string metrics = Path.Combine(Folder, "out", "metrics.jsonl");
        (int code, string output, string error) = Train(
            "--precision",
            precision,
            "--steps",
            "10",
            "--metrics",
            metrics
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), output + error);
        JsonElement[] lines = ReadLines(metrics);
        Assert.That(lines, Has.Length.EqualTo(11));
        for (int i = 0; i < 10; i++)
        {
            Assert.That(lines[i].EnumerateObject().Select(field => field.Name), Is.EqualTo(StepFields));
            Assert.That(lines[i].GetProperty("step").GetInt64(), Is.EqualTo(i + 1));
            Assert.That(lines[i].GetProperty("lr").GetDouble(), Is.InRange(1e-5, 1e-3));
            Assert.That(lines[i].GetProperty("step_ms").GetDouble(), Is.Positive);
            Assert.That(lines[i].GetProperty("scale").GetDouble(), Is.EqualTo(precision == "fp16" ? 65536 : 1));
            Assert.That(lines[i].GetProperty("found_inf").GetBoolean(), Is.False);
        }

        JsonElement summary = lines[10];
        Assert.That(summary.EnumerateObject().Select(field => field.Name), Is.SupersetOf(SummaryFields));
        Assert.That(summary.GetProperty("summary").GetBoolean(), Is.True);
        Assert.That(summary.GetProperty("precision").GetString(), Is.EqualTo(precision));
        Assert.That(summary.GetProperty("device").GetString(), Is.EqualTo("cpu"));
        Assert.That(
            summary.GetProperty("final_loss").GetDouble(),
            Is.EqualTo(lines[9].GetProperty("loss").GetDouble())
        );
        Assert.That(summary.GetProperty("test_accuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(
            summary.GetProperty("peak_bytes").GetProperty("parameters").GetInt64(),
            Is.GreaterThanOrEqualTo(203_530 * 4)
        );
        Assert.That(summary.GetProperty("peak_bytes").GetProperty("total").GetInt64(), Is.GreaterThan(203_530 * 12));
    }

    // The mlp has 784 × 256, 256, 256 × 10 and 10 parameters. The allocator hands out eight sizes between two powers of
    // two, at least 256 bytes: 802,816 bytes become 13 × 65,536, and 401,408 become 13 × 32,768; 10,240, 5,120, 1,024
    // and 512 stay; 40 and 20 become 256.
    [TestCase("fp32", 0, 851_968 + 1024 + 10_240 + 256)]
    [TestCase("fp16", 425_984 + 512 + 5120 + 256, 425_984 + 512 + 5120 + 256)]
    [TestCase("bf16", 425_984 + 512 + 5120 + 256, 425_984 + 512 + 5120 + 256)]
    public void Memory_of_a_step_adds_up_by_kind(string precision, long copies, long gradients)
    {
        (int code, string json, string error) = Train("--precision", precision, "--steps", "4", "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        var memory = summary
            .RootElement.GetProperty("memory")
            .EnumerateObject()
            .ToDictionary(kind => kind.Name, kind => kind.Value.GetInt64());
        Assert.That(memory.Keys, Is.EqualTo(MemoryFields));
        Assert.That(memory["parameters"], Is.EqualTo(851_968 + 1024 + 10_240 + 256));
        Assert.That(memory["compute_copies"], Is.EqualTo(copies));
        Assert.That(memory["gradients"], Is.EqualTo(gradients));
        Assert.That(
            memory["optimizer_state"],
            Is.InRange(2 * 814_120, 2 * 814_120 * 9 / 8 + 16_384),
            "two moments, and counts"
        );
        Assert.That(memory["activations"], Is.GreaterThanOrEqualTo(16 * (256 + 10) * (precision == "fp32" ? 4 : 2)));
        Assert.That(memory.Where(kind => kind.Key != "peak").Sum(kind => kind.Value), Is.EqualTo(memory["peak"]));
        Assert.That(
            memory["peak"],
            Is.LessThanOrEqualTo(summary.RootElement.GetProperty("peak_bytes").GetProperty("total").GetInt64())
        );
    }

    [Test]
    public void It_learns()
    {
        (int code, string json, string error) = Train("--precision", "fp16", "--steps", "60", "--lr", "3e-3", "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        Assert.That(
            summary.RootElement.GetProperty("final_loss").GetDouble(),
            Is.LessThan(0.5),
            "ln 10 = 2.3 is guessing"
        );
        Assert.That(summary.RootElement.GetProperty("steps").GetInt64(), Is.EqualTo(60));
    }

    [Test]
    public void It_ends_after_the_first_epoch_that_reaches_an_accuracy()
    {
        string metrics = Path.Combine(Folder, "metrics.jsonl");
        (int code, string json, string error) = Train(
            "--precision",
            "fp32",
            "--to-accuracy",
            "0.5",
            "--lr",
            "3e-3",
            "--json",
            "--metrics",
            metrics
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        JsonElement summary = JsonDocument.Parse(json).RootElement;
        Assert.That(summary.GetProperty("reached_accuracy").GetBoolean(), Is.True);
        Assert.That(summary.GetProperty("test_accuracy").GetDouble(), Is.GreaterThanOrEqualTo(0.5));
        int steps = summary.GetProperty("steps").GetInt32();
        Assert.That(
            steps,
            Is.LessThan(20 * 6).And.Matches<int>(count => count % 6 == 0),
            "whole epochs of 96 samples, before the twentieth"
        );
        Assert.That(summary.TryGetProperty("interrupted", out _), Is.False);

        (code, json, _) = Train(
            "--precision",
            "fp32",
            "--to-accuracy",
            "1",
            "--lr",
            "1e-30",
            "--epochs",
            "1",
            "--json"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), "an accuracy that is not reached is a result as well");
        Assert.That(JsonDocument.Parse(json).RootElement.GetProperty("reached_accuracy").GetBoolean(), Is.False);
    }

    [Test]
    [NonParallelizable]
    public void A_profile_says_which_native_functions_take_the_time()
    {
        (int code, string json, string error) = Train("--precision", "fp16", "--steps", "6", "--profile", "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        JsonElement[] rows = [.. summary.RootElement.GetProperty("profile").EnumerateArray()];
        JsonElement adam = rows.Single(row => row.GetProperty("function").GetString() == "namp_optimizer_step");
        Assert.That(adam.GetProperty("calls_per_step").GetDouble(), Is.EqualTo(1), "steps 3 to 6, each with one");
        Assert.That(adam.GetProperty("ms_per_step").GetDouble(), Is.Positive);
        Assert.That(rows.Sum(row => row.GetProperty("share").GetDouble()), Is.EqualTo(1).Within(1e-9));
        Assert.That(rows[^1].GetProperty("share").GetDouble(), Is.InRange(0, 1), "the time outside");
        Assert.That(
            summary
                .RootElement.GetProperty("products")
                .EnumerateArray()
                .Select(row =>
                    (
                        row.GetProperty("operator").GetString(),
                        row.GetProperty("dtype").GetString(),
                        row.GetProperty("m").GetInt64(),
                        row.GetProperty("n").GetInt64(),
                        row.GetProperty("k").GetInt64(),
                        row.GetProperty("calls_per_step").GetDouble()
                    )
                ),
            Is.EqualTo(new[] { ("linear", "float16", 16L, 256L, 784L, 1.0), ("linear", "float16", 16, 10, 256, 1) }),
            "the layers of the MLP, the larger first"
        );

        (_, string text, _) = Train("--precision", "fp16", "--steps", "6", "--profile");
        Assert.That(
            text,
            Does.Contain("ms per step").And.Contain("namp_gemm").And.Contain("outside the native library")
        );
    }

    [Test]
    public void A_scale_that_overflows_is_backed_off_by_skipping()
    {
        string metrics = Path.Combine(Folder, "metrics.jsonl");
        (int code, string output, _) = Train("--init-scale", "4294967296", "--steps", "40", "--metrics", metrics);
        Assert.That(code, Is.EqualTo(ExitCode.Success), output);
        JsonElement[] lines = ReadLines(metrics);
        Assert.That(lines[0].GetProperty("found_inf").GetBoolean(), Is.True);
        Assert.That(lines[0].GetProperty("skipped").GetBoolean(), Is.True);
        Assert.That(lines[0].GetProperty("scale").GetDouble(), Is.EqualTo(4294967296.0));
        Assert.That(lines[1].GetProperty("scale").GetDouble(), Is.EqualTo(2147483648.0));
        Assert.That(lines[39].GetProperty("skipped").GetBoolean(), Is.False);
        Assert.That(
            lines[40].GetProperty("skipped").GetInt64(),
            Is.EqualTo(lines.Take(40).Count(line => line.GetProperty("skipped").GetBoolean()))
        );
    }

    [Test]
    public void A_norm_that_is_not_finite_is_null()
    {
        string metrics = Path.Combine(Folder, "metrics.jsonl");
        Train("--init-scale", "4294967296", "--steps", "1", "--metrics", metrics);
        Assert.That(ReadLines(metrics)[0].GetProperty("grad_norm").ValueKind, Is.EqualTo(JsonValueKind.Null));
    }

    [Test]
    public void Without_a_terminal_progress_is_plain_lines()
    {
        (_, string output, _) = Train("--steps", "40");
        string[] lines = output.TrimEnd().Split('\n');
        Assert.That(lines.Count(line => line.StartsWith("step ", StringComparison.Ordinal)), Is.EqualTo(20));
        Assert.That(
            output,
            Does.Contain("loss")
                .And.Contain("scale 65536")
                .And.Contain("skipped 0")
                .And.Contain("samples/s")
                .And.Contain("left")
        );
        Assert.That(output, Does.Not.Contain("\e"));
        Assert.That(lines[^1], Does.StartWith("test accuracy "));
    }

    [Test]
    public void The_same_seed_gives_the_same_run()
    {
        double[] first = Losses("1", "2");
        Assert.That(Losses("1", "2"), Is.EqualTo(first));
        Assert.That(Losses("2", "2"), Is.Not.EqualTo(first));

        double[] Losses(string seed, string threads)
        {
            string metrics = Path.Combine(Folder, "metrics.jsonl");
            Train("--steps", "5", "--seed", seed, "--threads", threads, "--metrics", metrics);
            return [.. ReadLines(metrics).Take(5).Select(line => line.GetProperty("loss").GetDouble())];
        }
    }

    [TestCaseSource(typeof(TestDevices), nameof(TestDevices.All))]
    public void Gpt_trains_on_any_text_and_prints_a_sample_that_its_seed_decides(DeviceKind kind)
    {
        using Device device = kind.Open();
        string text = Path.Combine(Folder, "text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("the quick brown fox jumps over the lazy dog. ", 60)));
        string[] arguments =
        [
            "train",
            "--model",
            "gpt",
            "--data",
            text,
            "--context",
            "16",
            "--width",
            "32",
            "--heads",
            "2",
            "--blocks",
            "1",
            "--batch",
            "8",
            "--steps",
            "20",
            "--sample",
            kind.IsEmulated() ? "10" : "40",
            "--json",
            "--device",
            kind.ToString().ToLowerInvariant(),
        ];
        (int code, string json, string error) = CliHost.Run(arguments);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument first = JsonDocument.Parse(json);
        using JsonDocument second = JsonDocument.Parse(CliHost.Run(arguments).Output);
        Assert.That(first.RootElement.GetProperty("sample").GetString(), Is.Not.Empty);
        Assert.That(
            first.RootElement.GetProperty("device").GetString(),
            Is.EqualTo(kind.ToString().ToLowerInvariant())
        );
        Assert.That(
            second.RootElement.GetProperty("sample").GetString(),
            Is.EqualTo(first.RootElement.GetProperty("sample").GetString())
        );
        Assert.That(first.RootElement.TryGetProperty("test_accuracy", out _), Is.False);
    }

    private (int Code, string Output, string Error) Train(params string[] arguments) =>
        CliHost.Run(["train", "--model", "mlp", "--data", Data, "--batch", "16", "--device", "cpu", .. arguments]);

    private static JsonElement[] ReadLines(string path) =>
        [.. File.ReadAllLines(path).Select(line => JsonDocument.Parse(line).RootElement.Clone())];
}
