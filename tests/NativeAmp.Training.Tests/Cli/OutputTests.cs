using System.Diagnostics;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>Sources and destinations of a run's text and output: pipes, closed pipes, full devices.</summary>
[Platform(Include = "Linux")]
public class OutputTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Idx.WriteTinyMnist(Path.Combine(_folder, "data"), train: 64, test: 10, seed: 7);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_reader_that_leaves_ends_the_run_which_is_saved()
    {
        (int code, string error) = Shell(
            $"{Train} --checkpoint c --every 1000000 --steps 100000 | head -2 >first; exit ${{PIPESTATUS[0]}}"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Failure), error);
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(error, Does.Contain("standard output").And.Contain("saved"));
        Assert.That(File.ReadAllLines(Path.Combine(_folder, "first")), Has.Length.EqualTo(2));
        Assert.That(Directory.EnumerateFiles(Path.Combine(_folder, "c"), "step-*").Count(), Is.EqualTo(1));
    }

    [TestCase("{0} --steps 5 >/dev/full", "standard output")]
    [TestCase("{0} --steps 5 --json >/dev/full", "standard output")]
    [TestCase("{0} --steps 5 --metrics /dev/full", "/dev/full")]
    [TestCase("{0} --steps 5 --telemetry /dev/full", "/dev/full")]
    [TestCase("{1} doctor >/dev/full", "standard output")]
    [TestCase("{1} train --help >/dev/full", "standard output")]
    public void A_full_device_is_one_line_and_exit_code_1(string command, string where)
    {
        (int code, string error) = Shell(
            string.Format(System.Globalization.CultureInfo.InvariantCulture, command, Train, Cli)
        );
        Assert.That(code, Is.EqualTo(ExitCode.Failure), error);
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1), error);
        Assert.That(error, Does.Contain(where).And.Not.Contain("unexpected"));
    }

    [Test]
    public void Nobody_to_hear_of_a_failure_is_no_failure_of_its_own()
    {
        (int code, _) = Shell($"{Cli} train --data absent 2>/dev/full");
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
    }

    [TestCase("--data - <text")]
    [TestCase("--data <(cat text)")]
    [TestCase("--data /dev/stdin <text")]
    [TestCase("--data text")]
    public void Text_comes_from_files_and_pipes(string data)
    {
        File.WriteAllText(
            Path.Combine(_folder, "text"),
            string.Concat(Enumerable.Repeat("the quick brown fox. ", 5000))
        );
        (int code, string error) = Shell(
            $"{Cli} train --model gpt --device cpu --threads 1 --context 8 --width 8 --heads 1 --blocks 1 --batch 2 "
                + $"--steps 2 --json {data} >out && grep -o '\"final_loss\":[0-9.]*' out >&2"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(error.Trim(), Does.Match("""^"final_loss":5\.\d+$"""));
    }

    private static string Cli =>
        $"dotnet {Path.Combine(TestContext.CurrentContext.TestDirectory, "NativeAmp.Cli.dll")}";

    private static string Train => $"{Cli} train --model mlp --device cpu --data data --batch 16 --threads 1";

    private (int Code, string Error) Shell(string command)
    {
        var start = new ProcessStartInfo("bash", ["-c", command])
        {
            WorkingDirectory = _folder,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }
}
