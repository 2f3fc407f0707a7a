using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Cli;
using NativeAmp.Training.Tests.Data;
using NativeAmp.Training.Tests.Telemetry;

namespace NativeAmp.Training.Tests.Study;

/// <summary>Seconds and joules of training to an accuracy.</summary>
[Platform(Include = "Linux")]
internal sealed class ToAccuracyTests : FolderTests
{
    private string Study => Path.Combine(Folder, "study");

    // 10 steps of 100 ms and 8 samples at 2.5 J: 1 s and 200 J. The second repeat takes 20 steps: 2 s and 400 J. The
    // third does not get there.
    [Test]
    public void Joules_are_those_of_a_sample_times_the_samples_up_to_the_accuracy()
    {
        new HandStudy(Study, "mlp", [8], 3, ("--to-accuracy", "0.9"))
            .Run(
                8,
                1,
                [.. Enumerable.Repeat(100.0, 10)],
                "\"reached_accuracy\":true,\"test_accuracy\":0.91,\"joules_per_sample\":2.5"
            )
            .Run(
                8,
                2,
                [.. Enumerable.Repeat(100.0, 20)],
                "\"reached_accuracy\":true,\"test_accuracy\":0.92,\"joules_per_sample\":2.5"
            )
            .Run(
                8,
                3,
                [.. Enumerable.Repeat(100.0, 50)],
                "\"reached_accuracy\":false,\"test_accuracy\":0.5,\"joules_per_sample\":2.5"
            );
        (int code, _, string error) = CliHost.Run("study", "report", Study);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            Lines().Select(line => (Number(line, "seconds_to_accuracy"), Number(line, "joules_to_accuracy"))),
            Is.EqualTo(new (double?, double?)[] { (1, 200), (2, 400), (null, null) })
        );
        string[] csv = File.ReadAllLines(Path.Combine(Study, "study.csv"));
        int joules = Array.IndexOf(csv[0].Split(','), "joules_to_accuracy");
        Assert.That(csv[1..].Select(line => line.Split(',')[joules]), Is.EqualTo(new[] { "200", "400", "" }));
        string page = File.ReadAllText(Path.Combine(Study, "report.html"));
        Assert.That(
            page,
            Does.Contain(">2 of 3<").And.Contain(">J to 0.9<").And.Contain(">300<"),
            "the median of those that got there"
        );
        Assert.That(
            page,
            Does.Contain("FP32, batch 8 reaches 0.9 first: 1.41 seconds of training (geometric mean of 2 runs)")
        );
        Assert.That(page, Does.Contain("a sample takes FP32 2.50 J; the training to 0.9 takes FP32 300 J."));
        Assert.That(
            Directory.EnumerateFiles(Path.Combine(Study, "charts"), "*.svg").Select(Path.GetFileNameWithoutExtension),
            Does.Contain("energy-to-accuracy").And.Contain("time-to-accuracy")
        );
    }

    [Test]
    public void A_study_without_an_accuracy_has_no_column_of_it()
    {
        new HandStudy(Study, "mlp", [8], 1, ("--steps", "3")).Run(8, 1, [1, 1, 1], "\"joules_per_sample\":2.5");
        Assert.That(CliHost.Run("study", "report", Study).Code, Is.EqualTo(ExitCode.Success));
        Assert.That(
            File.ReadAllText(Path.Combine(Study, "report.html")),
            Does.Contain("J/sample").And.Not.Contain("J to ").And.Not.Contain("first test that found it")
        );
    }

    [Test]
    public void On_a_GPU_they_are_by_its_counter()
    {
        EmulatedGpu.Require();
        if (!File.Exists(EmulatedNvml.Path))
            Assert.Ignore("The emulated NVML was not built: tests/gpu-emulator.");
        Idx.WriteTinyMnist(Path.Combine(Folder, "data"), train: 48, test: 4, seed: 7);
        string answers = Path.Combine(Folder, "answers");
        File.WriteAllText(answers, "0 power=100000\n");
        Dictionary<string, string> environment = CliProcess.Gpus(1, EmulatedGpu.Cublas);
        environment["NATIVEAMP_NVML_LIBRARY"] = EmulatedNvml.Path;
        environment["NAMPNVML_SCRIPT"] = answers;
        (int code, string output, string error) = CliProcess.Run(
            environment,
            "study",
            "--model",
            "mlp",
            "--data",
            Path.Combine(Folder, "data"),
            "--device",
            "cuda",
            "--precision",
            "fp16",
            "--batch",
            "16",
            "--repeat",
            "1",
            "--to-accuracy",
            "0.001",
            "--epochs",
            "9",
            "--out",
            Study,
            "--json"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);

        using JsonDocument result = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(Study, "runs", "fp16-b16-r1", "result.json"))
        );
        JsonElement energy = result
            .RootElement.GetProperty("summary")
            .GetProperty("energy")
            .EnumerateArray()
            .Single(row => row.GetProperty("source").GetString() == "gpu.0");
        Assert.That(energy.GetProperty("method").GetString(), Is.EqualTo("counter"));
        double steps = result.RootElement.GetProperty("summary").GetProperty("steps").GetDouble();
        double expected =
            energy.GetProperty("joules").GetDouble() / energy.GetProperty("samples").GetDouble() * steps * 16;
        Assert.That(steps, Is.Positive.And.LessThanOrEqualTo(27));
        Assert.That(
            Number(Lines().Single(), "joules_to_accuracy"),
            Is.EqualTo(expected).Within(1e-9).Percent.And.Positive
        );
        using JsonDocument summary = JsonDocument.Parse(output);
        Assert.That(
            summary
                .RootElement.GetProperty("configurations")[0]
                .GetProperty("joules_to_accuracy")
                .GetProperty("median")
                .GetDouble(),
            Is.EqualTo(expected).Within(1e-9).Percent
        );
    }

    private JsonElement[] Lines() =>
        [.. File.ReadAllLines(Path.Combine(Study, "study.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];

    private static double? Number(JsonElement line, string name) =>
        line.GetProperty(name) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;
}
