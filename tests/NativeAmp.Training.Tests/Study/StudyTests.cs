using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Cli;
using NativeAmp.Training.Tests.Data;
using NativeAmp.Training.Tests.Pages;

namespace NativeAmp.Training.Tests.Study;

/// <summary>
/// A study of an MLP that was stopped in the middle and then continued: the files in its folder, and its report in a
/// browser.
/// </summary>
[Platform(Include = "Linux")]
[NonParallelizable]
internal sealed class StudyTests
{
    private const int Runs = 8,
        Profiles = 4;

    private string _folder = "";
    private string[] _arguments = [];
    private int _stopped;
    private Dictionary<string, string> _before = [];
    private (int Code, string Output, string Error) _resumed;

    private string Study => Path.Combine(_folder, "study");

    [OneTimeSetUp]
    public void StopAStudyAndGoOnWithIt()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        string data = Path.Combine(_folder, "data");
        Idx.WriteTinyMnist(data, train: 96, test: 40, seed: 7);
        _arguments =
        [
            "study",
            "--model",
            "mlp",
            "--data",
            data,
            "--device",
            "cpu",
            "--threads",
            "1",
            "--precision",
            "fp32,fp16",
            "--batch",
            "8,16",
            "--repeat",
            "2",
            "--steps",
            "12",
            "--warmup",
            "2",
            "--out",
            Study,
            "--json",
        ];
        using (var process = CliProcess.Start(_arguments))
        {
            while (!process.HasExited && Results().Count < 2)
                Thread.Sleep(5);
            CliProcess.Signal(process, "TERM");
            _stopped = CliProcess.Finish(process);
        }

        _before = Results();
        _resumed = CliHost.Run(_arguments);
    }

    [OneTimeTearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Stopped_it_ends_well_and_the_same_command_makes_only_what_is_left()
    {
        Assert.That(_stopped, Is.EqualTo(ExitCode.Interrupted));
        Assert.That(_before, Has.Count.InRange(2, Runs + Profiles - 1));
        Assert.That(_resumed.Code, Is.EqualTo(ExitCode.Success), _resumed.Error);
        Dictionary<string, string> after = Results();
        Assert.That(after, Has.Count.EqualTo(Runs + Profiles));
        Assert.That(after, Is.SupersetOf(_before), "what was done is as it was");
    }

    [Test]
    public void Other_settings_in_the_same_folder_are_refused_by_name()
    {
        string[] other = [.. _arguments.Select(argument => argument == "8,16" ? "8,32" : argument), "--lr", "0.5"];
        (int code, string output, string error) = CliHost.Run(other);
        Assert.That((code, output), Is.EqualTo((ExitCode.Failure, "")));
        Assert.That(
            error,
            Does.Contain("--batch was 8,16, now 8,32")
                .And.Contain("--lr was not given, now 0.5")
                .And.Not.Contain("--precision")
        );
    }

    [Test]
    public void Every_run_has_a_line_whose_speed_is_that_of_its_metrics_without_the_warm_up()
    {
        string[] csv = File.ReadAllLines(Path.Combine(Study, "study.csv"));
        Assert.That(csv, Has.Length.EqualTo(1 + Runs));
        JsonElement[] lines =
        [
            .. File.ReadAllLines(Path.Combine(Study, "study.jsonl"))
                .Select(line => JsonDocument.Parse(line).RootElement),
        ];
        Assert.That(lines, Has.Length.EqualTo(Runs));
        Assert.That(lines.Select(line => line.GetProperty("order").GetInt32()), Is.EqualTo(Enumerable.Range(1, Runs)));
        foreach (JsonElement line in lines)
        {
            string name = line.GetProperty("name").GetString()!;
            double[] times =
            [
                .. File.ReadAllLines(Path.Combine(Study, "runs", name, "metrics.jsonl"))
                    .SkipLast(1)
                    .Select(step => JsonDocument.Parse(step).RootElement.GetProperty("step_ms").GetDouble()),
            ];
            double speed = line.GetProperty("batch").GetInt32() * 10 / (times[2..].Sum() / 1000);
            Assert.That(line.GetProperty("samples_per_second").GetDouble(), Is.EqualTo(speed).Within(1e-9).Percent);
            Assert.That(line.GetProperty("outcome").GetString(), Is.EqualTo("done"));
            Assert.That(
                csv,
                Has.Some.StartsWith(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{name},mlp,{line.GetProperty("precision").GetString()},{line.GetProperty("batch").GetInt32()},"
                    )
                )
            );
        }

        Assert.That(
            lines.Select(line => line.GetProperty("seed").GetInt32()).Distinct(),
            Is.EquivalentTo(new[] { 1, 2 }),
            "a repeat has a seed of its own"
        );
    }

    [Test]
    public void JSON_says_what_each_configuration_came_to_and_what_to_take()
    {
        JsonElement summary = JsonDocument.Parse(_resumed.Output).RootElement;
        Assert.That(summary.GetProperty("decision").GetArrayLength(), Is.EqualTo(3));
        Assert.That(summary.GetProperty("runs_left").GetInt32(), Is.Zero);
        Assert.That(File.Exists(summary.GetProperty("report").GetString()), Is.True);
        JsonElement[] configurations = [.. summary.GetProperty("configurations").EnumerateArray()];
        Assert.That(
            configurations.Select(c => (c.GetProperty("precision").GetString(), c.GetProperty("batch").GetInt32())),
            Is.EqualTo(new[] { ("fp32", 8), ("fp32", 16), ("fp16", 8), ("fp16", 16) })
        );
        foreach (JsonElement speed in configurations.Select(c => c.GetProperty("samples_per_second")))
        {
            Assert.That(
                speed.GetProperty("mean").GetDouble(),
                Is.InRange(speed.GetProperty("low").GetDouble(), speed.GetProperty("high").GetDouble())
            );
            Assert.That(speed.GetProperty("low").GetDouble(), Is.Positive);
        }
    }

    [Test]
    public void The_report_is_written_anew_from_the_runs_and_each_chart_is_a_file()
    {
        string report = Path.Combine(Study, "report.html");
        string first = File.ReadAllText(report);
        File.Delete(report);
        Directory.Delete(Path.Combine(Study, "charts"), recursive: true);
        (int code, string output, string error) = CliHost.Run("study", "report", Study);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output.TrimEnd(), Is.EqualTo($"report: {report}"));
        Assert.That(WithoutNumbersOfClips(File.ReadAllText(report)), Is.EqualTo(WithoutNumbersOfClips(first)));
        string[] svgs =
        [
            .. Directory
                .EnumerateFiles(Path.Combine(Study, "charts"), "*.svg")
                .Select(file => Path.GetFileNameWithoutExtension(file))
                .Order(),
        ];
        Assert.That(
            svgs,
            Is.SupersetOf(
                new[] { "accuracy", "loss-b16", "loss-b8", "memory", "memory-by-kind", "profile", "speed", "step-time" }
            )
        );
        Assert.That(
            Directory
                .EnumerateFiles(Path.Combine(Study, "charts"), "*.png")
                .Select(file => Path.GetFileNameWithoutExtension(file))
                .Order(),
            Is.EqualTo(svgs)
        );
    }

    [Test]
    public async Task The_report_is_readable_in_a_browser()
    {
        await using Browser browser = await Browser.Start();
        await PageCheck.Check(browser, Path.Combine(Study, "report.html"), charts: 8);
    }

    [Test]
    public void Two_studies_are_compared_in_one_report()
    {
        string path = Path.Combine(_folder, "both.html");
        (int code, _, string error) = CliHost.Run("study", "report", Study, Study, "--out", path);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        string page = File.ReadAllText(path);
        Assert.That(
            page,
            Does.Contain("Of 4 configurations that both have, second is measurably faster in 0 and slower in 0."),
            "a study is as fast as itself"
        );
        Assert.That(page, Does.Contain("Both studies have the same settings."));
    }

    // Skia numbers them throughout a process.
    private static string WithoutNumbersOfClips(string page) =>
        System.Text.RegularExpressions.Regex.Replace(page, "cl_[0-9a-f]+", "cl");

    private Dictionary<string, string> Results()
    {
        string runs = Path.Combine(Study, "runs");
        return !Directory.Exists(runs)
            ? []
            : Directory
                .EnumerateFiles(runs, "result.json", SearchOption.AllDirectories)
                .ToDictionary(file => Path.GetFileName(Path.GetDirectoryName(file)!), File.ReadAllText);
    }
}
