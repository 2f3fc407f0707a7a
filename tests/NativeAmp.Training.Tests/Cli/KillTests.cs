using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;
using NativeAmp.Training.Tests.Fuzzing;

namespace NativeAmp.Training.Tests.Cli;

[Platform(Include = "Linux")]
public class KillTests
{
    private string _folder = "";

    private string Data => Path.Combine(_folder, "data");

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Idx.WriteTinyMnist(Data, train: 64, test: 10, seed: 7);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Killed_at_random_moments_it_always_resumes_and_ends_with_the_same_bits()
    {
        int kills = Fuzz.Exhaustive ? 50 : 5;
        int steps = kills * 6 + 10;
        string undisturbed = Path.Combine(_folder, "undisturbed");
        string killed = Path.Combine(_folder, "killed");
        using (Process whole = Start(undisturbed, steps))
            Assert.That(CliProcess.Finish(whole), Is.EqualTo(ExitCode.Success));

        var random = new Random(20_261_123);
        int survived = 0;
        for (int kill = 0; kill < kills; kill++)
        {
            using Process process = Start(killed, steps);
            if (random.Next(5) == 0)
                Thread.Sleep(random.Next(400)); // while it starts, or resumes
            else
                WaitForSteps(process, killed, random.Next(1, 9), random);
            process.Kill();
            int code = CliProcess.Finish(process);
            Assert.That(code, Is.AnyOf(137, ExitCode.Success), $"kill {kill}: it failed by itself");
            survived += code == ExitCode.Success ? 1 : 0;
        }

        Assert.That(survived, Is.LessThan(kills), "no process was killed in time");
        using (Process last = Start(killed, steps))
            Assert.That(CliProcess.Finish(last), Is.EqualTo(ExitCode.Success));
        string name = $"step-{steps:D10}.safetensors";
        Assert.That(
            File.ReadAllBytes(Path.Combine(killed, name)),
            Is.EqualTo(File.ReadAllBytes(Path.Combine(undisturbed, name)))
        );
        Assert.That(Directory.EnumerateFiles(killed, "*.tmp"), Is.Empty);
    }

    [TestCase("INT")]
    [TestCase("TERM")]
    [TestCase("HUP")]
    public void Interrupted_it_finishes_the_step_saves_and_says_so(string signal)
    {
        string folder = Path.Combine(_folder, "interrupted");
        using Process process = Start(folder, steps: 1_000_000, every: 1_000_000, metrics: Metrics);
        WaitForMetrics(process);
        CliProcess.Signal(process, signal);
        Assert.That(CliProcess.Finish(process), Is.EqualTo(ExitCode.Interrupted));
        Assert.That(Directory.EnumerateFiles(folder, "step-*.safetensors").Count(), Is.EqualTo(1));
        Assert.That(Directory.EnumerateFiles(folder).Count(), Is.EqualTo(1), "nothing else is left");
        Assert.That(File.ReadLines(Metrics).Last(), Does.Contain("\"interrupted\":true"));
    }

    [Test]
    public void Where_hang_ups_are_ignored_it_goes_on()
    {
        string folder = Path.Combine(_folder, "nohup");
        using Process process = Start(folder, steps: 400, every: 1_000_000, metrics: Metrics, launcher: "nohup");
        WaitForMetrics(process);
        CliProcess.Signal(process, "HUP");
        Assert.That(CliProcess.Finish(process), Is.EqualTo(ExitCode.Success));
    }

    [Test]
    public void Killed_between_checkpoints_and_resumed_the_metrics_hold_each_step_once()
    {
        string folder = Path.Combine(_folder, "metrics");
        for (int kill = 0; kill < 3; kill++)
        {
            using Process process = Start(folder, steps: 400, every: 50, metrics: Metrics);
            WaitForSteps(process, folder, 1, new Random(kill));
            process.Kill();
            CliProcess.Finish(process);
        }

        using (Process last = Start(folder, steps: 400, every: 50, metrics: Metrics))
            Assert.That(CliProcess.Finish(last), Is.EqualTo(ExitCode.Success));
        JsonElement[] lines = [.. File.ReadAllLines(Metrics).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.That(
            lines[..^1].Select(line => line.GetProperty("step").GetInt64()),
            Is.EqualTo(Enumerable.Range(1, 400))
        );
        Assert.That(lines[^1].GetProperty("summary").GetBoolean(), Is.True);
    }

    [Test]
    public void A_folder_that_a_run_uses_is_refused_with_its_process()
    {
        string folder = Path.Combine(_folder, "shared");
        using Process process = Start(folder, steps: 1_000_000, every: 1_000_000, metrics: Metrics);
        WaitForMetrics(process);
        (int code, _, string error) = CliHost.Run(
            "train",
            "--model",
            "mlp",
            "--device",
            "cpu",
            "--data",
            Data,
            "--batch",
            "16",
            "--steps",
            "1000000",
            "--threads",
            "1",
            "--checkpoint",
            folder,
            "--resume"
        );
        process.Kill();
        CliProcess.Finish(process);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain($"process {process.Id}").And.Contain(folder));
    }

    private string Metrics => Path.Combine(_folder, "m.jsonl");

    private void WaitForMetrics(Process process)
    {
        while (true)
        {
            bool hasEnded = process.HasExited;
            if (File.Exists(Metrics) && new FileInfo(Metrics).Length > 0)
                return;
            // A run that did not start leaves its folder to one of the test's own, which would have no end.
            if (hasEnded)
                Assert.Fail($"It ended with exit code {CliProcess.Finish(process)} before its first step.");
            Thread.Sleep(5);
        }
    }

    private static void WaitForSteps(Process process, string folder, int steps, Random random)
    {
        string? first = Newest(folder);
        for (int seen = 0; seen < steps && !process.HasExited; )
        {
            Thread.Sleep(1);
            if (Newest(folder) is { } newest && newest != first)
                (first, seen) = (newest, seen + 1);
        }

        // Anywhere in a step: computing, writing, renaming.
        Thread.SpinWait(random.Next(2_000_000));
    }

    private static string? Newest(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "step-*.safetensors").Max() : null;

    private Process Start(string checkpoints, int steps, int every = 1, string? metrics = null, string? launcher = null)
    {
        string cli = Path.Combine(TestContext.CurrentContext.TestDirectory, "NativeAmp.Cli.dll");
        string arguments = string.Create(
            CultureInfo.InvariantCulture,
            $"{cli} train --model mlp --device cpu --data {Data} --batch 16 --steps {steps} --threads 1 --checkpoint "
                + $"{checkpoints} --every {every} --resume --json"
        );
        List<string> list = [.. arguments.Split(' ')];
        if (metrics is not null)
            list.AddRange(["--metrics", metrics]);
        // Tests in the background may run with ignored signals, which children would inherit.
        string[] command = launcher is null ? ["--default-signal=HUP,INT,TERM", "dotnet"] : [launcher, "dotnet"];
        return Process.Start(
            new ProcessStartInfo("env", [.. command, .. list])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
    }
}
