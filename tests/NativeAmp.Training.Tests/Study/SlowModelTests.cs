using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Cli;

namespace NativeAmp.Training.Tests.Study;

/// <summary>
/// Studies of a GPT that is slow and runs out of memory on purpose: the report names the causes, with figures.
/// </summary>
internal sealed class SlowModelTests
{
    // .NET then reports 64 MiB for this machine, and a run is checked against that before it begins.
    private static readonly Dictionary<string, string> SmallMachine = new(CliProcess.NoDriver)
    {
        ["DOTNET_GCHeapHardLimit"] = "4000000",
    };

    private string _folder = "";

    private string Text => Path.Combine(_folder, "text.txt");

    private string Study => Path.Combine(_folder, "study");

    [SetUp]
    public void MakeText()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        File.WriteAllText(Text, string.Concat(Enumerable.Range(0, 120_000).Select(i => $"{i % 97} ")));
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Odd_widths_and_a_run_without_memory_are_results_with_their_reasons()
    {
        JsonElement summary = Run(
            "--precision",
            "fp32,fp16",
            "--batch",
            "3,4096",
            "--width",
            "63",
            "--heads",
            "7",
            "--context",
            "65"
        );
        JsonElement[] configurations = [.. summary.GetProperty("configurations").EnumerateArray()];
        Assert.That(
            configurations.Select(c => (c.GetProperty("done").GetInt32(), c.GetProperty("out_of_memory").GetBoolean())),
            Is.EqualTo(new[] { (1, false), (0, true), (1, false), (0, true) })
        );
        Assert.That(
            configurations[1].GetProperty("failures")[0].GetString(),
            Does.Match(@"in batches of 4096 takes at least \d+\.\d GiB")
        );

        string report = File.ReadAllText(Path.Combine(Study, "report.html"));
        // Five linear layers (three of the block's width, one of the logits) and the attention; only the logits' 256
        // columns are a multiple of 8.
        Assert.That(
            report,
            Does.Match(@"Shapes: \d of \d products, 100\.0 % of the arithmetic, have a size that is no multiple of 8")
        );
        Assert.That(
            report,
            Does.Contain("linear 195")
                .And.Contain("Products (GEMM, convolution, attention): ")
                .And.Contain("Casts: ")
                .And.Contain("Host (managed code")
        );
    }

    [Test]
    public void The_largest_batch_that_fits_is_found_and_measured()
    {
        JsonElement summary = Run(
            "--precision",
            "fp16",
            "--batch",
            "auto",
            "--width",
            "64",
            "--heads",
            "8",
            "--context",
            "64"
        );
        int largest = summary.GetProperty("largest_batch").GetProperty("fp16").GetInt32();
        // A sample takes 64 positions of 1024 bytes of logits and 20 of the block's 64 channels: 64 MiB without the
        // parameters hold 455.
        Assert.That(largest, Is.InRange(350, 455).And.Matches<int>(batch => batch % 8 == 0));
        Assert.That(
            summary
                .GetProperty("configurations")
                .EnumerateArray()
                .Select(c => (c.GetProperty("batch").GetInt32(), c.GetProperty("done").GetInt32())),
            Is.EqualTo(new[] { (largest, 1) })
        );
        Assert.That(
            File.ReadAllText(Path.Combine(Study, "report.html")),
            Does.Contain($"the largest batch that fits is {largest}; ")
        );
    }

    [Test]
    public void What_no_run_could_begin_with_ends_the_study_with_its_reason()
    {
        (int code, string output, string error) = CliHost.Run(
            "study",
            "--model",
            "mlp",
            "--data",
            Path.Combine(_folder, "nothing"),
            "--steps",
            "4",
            "--device",
            "cpu",
            "--out",
            Study
        );
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain("could not begin").And.Contain("nothing").And.Not.Contain("   at "));
        Assert.That(Directory.EnumerateFiles(Study, "result.json", SearchOption.AllDirectories), Is.Empty, output);
        error = CliHost
            .Run(
                "study",
                "--model",
                "mlp",
                "--data",
                Path.Combine(_folder, "nowhere"),
                "--steps",
                "5",
                "--device",
                "cpu",
                "--out",
                Study
            )
            .Error;
        Assert.That(
            error,
            Does.Contain("nowhere").And.Not.Contain("other settings"),
            "settings that nothing was measured with bind nobody"
        );
    }

    private JsonElement Run(params string[] options)
    {
        (int code, string output, string error) = CliProcess.Run(
            SmallMachine,
            [
                "study",
                "--model",
                "gpt",
                "--data",
                Text,
                "--blocks",
                "1",
                "--steps",
                "4",
                "--repeat",
                "1",
                "--device",
                "cpu",
                "--threads",
                "1",
                "--out",
                Study,
                "--json",
                .. options,
            ]
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        return JsonDocument.Parse(output).RootElement;
    }
}
