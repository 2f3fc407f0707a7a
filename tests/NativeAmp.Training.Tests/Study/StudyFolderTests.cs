using NativeAmp.Cli.Output;
using NativeAmp.Cli.Study;
using NativeAmp.Training.Tests.Cli;

namespace NativeAmp.Training.Tests.Study;

/// <summary>The files that a study writes and reads again.</summary>
internal sealed class StudyFolderTests
{
    private string _folder = "";

    private string In(string name) => Path.Combine(_folder, name);

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_cell_with_commas_quotes_and_lines_stays_one_cell()
    {
        RunLine line = new()
        {
            Name = "fp16-b8-r1",
            Model = "cnn",
            Precision = "fp16",
            Batch = 8,
            Repeat = 1,
            Seed = ulong.MaxValue,
            Order = 3,
            Outcome = "failed",
            Reason = "it said \"no\",\nand ended",
            ReachedAccuracy = true,
            FinalLoss = 0.25,
        };
        string csv = RunLines.Csv([line]);
        string[] header = csv[..csv.IndexOf('\n', StringComparison.Ordinal)].Split(',');
        Assert.That(
            header[..8],
            Is.EqualTo(new[] { "name", "model", "precision", "batch", "repeat", "seed", "order", "outcome" })
        );
        Assert.That(
            csv,
            Does.Contain("\nfp16-b8-r1,cnn,fp16,8,1,18446744073709551615,3,failed,\"it said \"\"no\"\",\nand ended\",")
                .And.Contain(",0.25,,true,")
        );
        Assert.That(
            RunLines.Jsonl([line, line]).Split('\n'),
            Has.Length.EqualTo(3).And.Some.Contain("\"samples_per_second\":null")
        );
    }

    [TestCase("{", "is damaged")]
    [TestCase("null", "is damaged")]
    [TestCase("[1]", "is damaged")]
    [TestCase("{\"model\":\"cnn\"}", "is damaged")]
    [TestCase(
        "{\"model\":\"cnn\",\"precision\":[\"../../x\"],\"batch\":[1],\"repeat\":1,\"seed\":1,\"warmup\":0,\"train\":{\"--steps\":\"1\"}}",
        "--precision is '../../x'"
    )]
    [TestCase(
        "{\"model\":\"cnn\",\"precision\":[\"fp32\"],\"batch\":[-1],\"repeat\":1,\"seed\":1,\"warmup\":0,\"train\":{\"--steps\":\"1\"}}",
        "--batch is -1"
    )]
    [TestCase(
        "{\"model\":\"cnn\",\"precision\":[\"fp32\"],\"batch\":[1],\"repeat\":2000000000,\"seed\":1,\"warmup\":0,\"train\":{\"--steps\":\"1\"}}",
        "--repeat is 2000000000"
    )]
    public void A_damaged_study_is_refused_with_its_file(string json, string expected)
    {
        File.WriteAllText(In("study.json"), json);
        (int code, string output, string error) = CliHost.Run("study", "report", _folder);
        Assert.That((code, output), Is.EqualTo((ExitCode.Failure, "")));
        Assert.That(error, Does.Contain("study.json").And.Contain(expected).And.Not.Contain("   at "));
    }

    [Test]
    public void A_folder_that_holds_something_else_is_left_alone()
    {
        File.WriteAllText(In("thesis.txt"), "mine");
        (int code, _, string error) = CliHost.Run("study", "--model", "mlp", "--steps", "4", "--out", _folder);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain("is not empty and holds no study"));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.EqualTo(new[] { In("thesis.txt") }));
        Assert.That(CliHost.Run("study", "report", _folder).Error, Does.Contain("holds no study"));
    }

    [Test]
    public void Telemetry_is_read_as_far_as_it_is_whole()
    {
        var telemetry = new NativeAmp.Cli.Study.Telemetry();
        telemetry.Add("{\"_timestamp\":100.5,\"_runtime\":0,\"gpu.0.temp\":40,\"cpu\":12.5}");
        telemetry.Add(
            "{\"_timestamp\":101,\"gpu.0.temp\":41,\"_not_available\":{\"gpu.0.memory\":\"it is not supported\"}}"
        );
        telemetry.Add("{\"_timestamp\":101.5,\"gpu.0.te");
        telemetry.Add("[]");
        Assert.That(telemetry.Series("gpu.0.temp"), Is.EqualTo(new[] { (0.0, 40.0), (0.5, 41) }));
        Assert.That(telemetry.Names, Is.EqualTo(new[] { "cpu", "gpu.0.temp" }));
        Assert.That(telemetry.NotAvailable["gpu.0.memory"], Is.EqualTo("it is not supported"));
    }
}
