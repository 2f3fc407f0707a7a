using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Telemetry;
using NativeAmp.Training.Tests.Cli;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Telemetry;

/// <summary>nativeamp train --telemetry, and nativeamp doctor's lines about telemetry.</summary>
public class TrainTelemetryTests
{
    // 96 images in batches of 16 are six steps per epoch.
    private const int StepsPerEpoch = 6;

    private string _folder = "";

    private string File => Path.Combine(_folder, "out", "telemetry.jsonl");

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Idx.WriteTinyMnist(Path.Combine(_folder, "data"), train: 96, test: 10, seed: 7);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_run_on_the_CPU_has_the_processs_figures_and_its_memory_by_kind()
    {
        (int code, string json, string error) = CliHost.Run(
            Arguments("cpu", "--epochs", "2", "--telemetry-interval", "10")
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        JsonElement[] lines = Lines();
        Assert.That(lines, Has.Length.GreaterThanOrEqualTo(6), "two windows of energy, the beginning and the end");
        Assert.That(lines.Select(line => Number(line, "_timestamp")), Is.Ordered.And.All.GreaterThan(1.7e9));
        JsonElement last = lines[^1];
        Assert.That(Number(last, "proc.memory.rssMB"), Is.Positive);
        using JsonDocument summary = JsonDocument.Parse(json);
        JsonElement memory = summary.RootElement.GetProperty("memory");
        foreach (string kind in (string[])["parameters", "compute_copies", "gradients", "optimizer_state"])
            Assert.That(Number(last, "nativeamp.memory." + kind), Is.EqualTo(Number(memory, kind)));
        JsonElement energy = summary.RootElement.GetProperty("energy").EnumerateArray().Single();
        Assert.That(
            (energy.GetProperty("source").GetString(), energy.GetProperty("samples").GetInt32()),
            Is.EqualTo(("cpu", ((StepsPerEpoch * 2) - 1) * 16))
        );
        if (CpuTelemetry.HasEnergy(out string reason))
            Assert.That(
                Number(energy, "joules_per_sample"),
                Is.EqualTo(Number(energy, "joules") / Number(energy, "samples")).Within(1e-9)
            );
        else
            Assert.That(energy.GetProperty("reason").GetString(), Is.EqualTo(reason));
    }

    // Readings are taken at the beginning, after the first step, after the last, at the end: 600 J for three steps of
    // 16 samples.
    [Test]
    public void A_run_on_a_GPU_has_its_energy_by_the_counter()
    {
        (int code, string json, string error) = OnGpu(
            "1 energy=1000000 temp=50\n2 energy=1600000 temp=60\n",
            "--steps",
            "4",
            "--telemetry-interval",
            "60000"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        Assert.That(Number(summary.RootElement, "joules_per_sample"), Is.EqualTo(12.5));
        JsonElement energy = summary
            .RootElement.GetProperty("energy")
            .EnumerateArray()
            .Single(row => row.GetProperty("source").GetString() == "gpu.0");
        Assert.That(
            (Number(energy, "joules"), Number(energy, "samples"), energy.GetProperty("method").GetString()),
            Is.EqualTo((600.0, 48.0, "counter"))
        );
        Assert.That(Lines().Select(line => Number(line, "gpu.0.temp")), Is.EqualTo(new[] { 55.0, 50, 60, 60 }));
        Assert.That(
            Lines()[1].EnumerateObject().Select(value => value.Name),
            Is.SupersetOf(
                new[]
                {
                    "gpu.0.powerPercent",
                    "gpu.0.memoryAllocated",
                    "gpu.0.gpu",
                    "gpu.0.memory",
                    "nativeamp.memory.activations",
                    "proc.memory.rssMB",
                }
            )
        );
    }

    [Test]
    public void A_GPU_that_is_lost_to_NVML_in_mid_run_costs_its_figures_and_not_the_run()
    {
        (int code, string json, string error) = OnGpu("2 lost\n", "--steps", "3", "--telemetry-interval", "60000");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        Assert.That(summary.RootElement.TryGetProperty("joules_per_sample", out _), Is.False);
        JsonElement energy = summary
            .RootElement.GetProperty("energy")
            .EnumerateArray()
            .Single(row => row.GetProperty("source").GetString() == "gpu.0");
        Assert.That(energy.GetProperty("reason").GetString(), Is.EqualTo("GPU is lost (15)"));
        JsonElement[] lines = Lines();
        Assert.That(
            lines[2].GetProperty("_not_available").GetProperty("gpu.0.temp").GetString(),
            Is.EqualTo("GPU is lost (15)")
        );
        Assert.That(lines[3].TryGetProperty("_not_available", out _), Is.False);
    }

    [TestCase(1, "there was no step after the first")]
    [TestCase(3, "no NVML that works was found (it comes with NVIDIA's driver): /no/nvml (")]
    public void Why_there_is_no_energy_is_said(int steps, string reason)
    {
        EmulatedGpu.Require();
        Dictionary<string, string> environment = CliProcess.Gpus(1, EmulatedGpu.Cublas);
        environment["NATIVEAMP_NVML_LIBRARY"] = steps == 1 ? EmulatedNvml.Path : "/no/nvml";
        (int code, string json, string error) = CliProcess.Run(environment, Arguments("cuda", "--steps", $"{steps}"));
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument summary = JsonDocument.Parse(json);
        JsonElement energy = summary.RootElement.GetProperty("energy")[0];
        Assert.That(energy.GetProperty("method").GetString(), Is.EqualTo("none"));
        Assert.That(energy.GetProperty("reason").GetString(), Does.StartWith(reason));
    }

    [TestCase("--telemetry-interval 5", "--telemetry-interval is 5; it is a whole number from 10 to 60000")]
    [TestCase("--telemetry-interval 60001", "from 10 to 60000")]
    [TestCase("--metrics same --telemetry same", "--telemetry and --metrics both name same")]
    [TestCase("--checkpoint same --telemetry same", "one is a file, the other a folder")]
    [TestCase("--telemetry ", "--telemetry is empty")]
    public void What_makes_no_sense_is_refused(string arguments, string message)
    {
        (int code, _, string error) = CliHost.Run(["train", "--model", "mlp", .. arguments.Split(' ')]);
        Assert.That((code, error), Is.EqualTo((ExitCode.Usage, error)));
        Assert.That(error, Does.Contain(message));
    }

    [Test]
    public void Doctor_says_what_telemetry_there_is_and_why_not()
    {
        if (!System.IO.File.Exists(EmulatedNvml.Path))
            Assert.Ignore("The emulated NVML was not built: tests/gpu-emulator.");
        string output = CliProcess
            .Run(new Dictionary<string, string> { ["NATIVEAMP_NVML_LIBRARY"] = EmulatedNvml.Path }, "doctor")
            .Output;
        Assert.That(
            output,
            Does.Contain(
                $"✓ telemetry of gpu.0: NativeAmp emulated GPU, {EmulatedNvml.Uuid}, driver 000.00 (emulated), "
                    + $"{EmulatedNvml.Path}"
            )
        );
        Assert.That(output, Does.Match("[✓✗] telemetry of cpu energy: "));
        output = CliProcess
            .Run(new Dictionary<string, string> { ["NATIVEAMP_NVML_LIBRARY"] = "/no/nvml" }, "doctor")
            .Output;
        Assert.That(
            output,
            Does.Contain("✗ telemetry of gpu: no NVML that works was found (it comes with NVIDIA's driver): /no/nvml (")
                .And.Contain("    tried /no/nvml: /no/nvml: cannot open")
        );
    }

    private (int Code, string Output, string Error) OnGpu(string script, params string[] arguments)
    {
        EmulatedGpu.Require();
        if (!System.IO.File.Exists(EmulatedNvml.Path))
            Assert.Ignore("The emulated NVML was not built: tests/gpu-emulator.");
        string answers = Path.Combine(_folder, "answers");
        System.IO.File.WriteAllText(answers, script);
        Dictionary<string, string> environment = CliProcess.Gpus(1, EmulatedGpu.Cublas);
        environment["NATIVEAMP_NVML_LIBRARY"] = EmulatedNvml.Path;
        environment["NAMPNVML_SCRIPT"] = answers;
        return CliProcess.Run(environment, Arguments("cuda", arguments));
    }

    private string[] Arguments(string device, params string[] arguments) =>
        [
            "train",
            "--model",
            "mlp",
            "--data",
            Path.Combine(_folder, "data"),
            "--batch",
            "16",
            "--device",
            device,
            "--telemetry",
            File,
            "--json",
            .. arguments,
        ];

    private JsonElement[] Lines() =>
        [.. System.IO.File.ReadAllLines(File).Select(line => JsonDocument.Parse(line).RootElement.Clone())];

    private static double Number(JsonElement element, string name) => element.GetProperty(name).GetDouble();
}
