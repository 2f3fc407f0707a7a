using System.Globalization;
using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>The command nativeamp plan.</summary>
internal sealed class PlanTests
{
    private static readonly string[] Gpt3 =
    [
        "plan",
        "--model",
        "gpt3-175b",
        "--gpus",
        "1024",
        "--tensor",
        "8",
        "--pipeline",
        "8",
        "--batch",
        "1536",
    ];

    [Test]
    public void A_plan_that_fits_is_told_in_tables()
    {
        (int code, string output, string error) = CliHost.Run([
            .. Gpt3,
            "--zero",
            "1",
            "--recompute",
            "selective",
            "--sequence-parallel",
        ]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            output,
            Does.StartWith("gpt3-175b: 175 B parameters, 300 B tokens, in bf16 with 18.0 bytes per parameter")
                .And.Contain("1024 × a100-80g: tensor 8, pipeline 8, data 16")
                .And.Contain("activations")
                .And.Contain("pipeline bubble")
                .And.Contain("GPU hours")
                .And.Contain("MWh")
        );
    }

    [Test]
    public void A_plan_that_does_not_fit_fails_and_says_what_would_help()
    {
        (int code, string output, _) = CliHost.Run([.. Gpt3, "--attention", "standard"]);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(
            output,
            Does.Contain("It does not fit")
                .And.Contain("Most of it is activations")
                .And.Contain("--recompute full brings it to")
        );
    }

    [Test]
    public void Json_has_every_figure_and_explain_its_source()
    {
        (int code, string output, string error) = CliHost.Run([
            .. Gpt3,
            "--zero",
            "1",
            "--recompute",
            "selective",
            "--sequence-parallel",
            "--explain",
            "--json",
        ]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument document = JsonDocument.Parse(output);
        JsonElement root = document.RootElement;
        Assert.That(root.GetProperty("split").GetProperty("data").GetInt32(), Is.EqualTo(16));
        JsonElement figures = root.GetProperty("figures");
        // P / 64 × 4 / 16 of masters, on the first stage, which has the embeddings.
        double stage = (96 / 8 * (12 * 12288.0 * 12288 + 13 * 12288) + (50257 + 2048) * 12288.0) / 8;
        Assert.That(
            figures.GetProperty("memory_parameters").GetDouble(),
            Is.EqualTo(stage * 4 / 16).Within(1e-6).Percent
        );
        Assert.That(
            figures.GetProperty("memory_compute_copies").GetDouble(),
            Is.EqualTo(stage * 2).Within(1e-6).Percent
        );
        Assert.That(figures.GetProperty("flop_6nd").GetDouble(), Is.EqualTo(3.14e23).Within(0.5).Percent);
        Assert.That(
            root.GetProperty("explained").EnumerateArray().Select(f => f.GetProperty("key").GetString()),
            Is.EqualTo(figures.EnumerateObject().Select(f => f.Name))
        );
    }

    [Test]
    public void Without_a_split_the_best_is_looked_for()
    {
        (int code, string output, string error) = CliHost.Run(
            "plan",
            "--model",
            "llama-2-70b",
            "--fit",
            "--days",
            "40",
            "--json"
        );
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument document = JsonDocument.Parse(output);
        Assert.That(document.RootElement.GetProperty("fits").GetBoolean());
        Assert.That(
            document.RootElement.GetProperty("figures").GetProperty("days").GetDouble(),
            Is.LessThanOrEqualTo(40)
        );
    }

    [Test]
    public void Validate_prints_every_published_run_and_what_is_missed()
    {
        (int code, string output, string error) = CliHost.Run("plan", "--validate");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            output,
            Does.Contain("T1 1008b")
                .And.Contain("K1 530B activations selective+SP")
                .And.Contain("Fitted now")
                .And.Contain("NO")
                .And.Contain("arXiv 2205.05198")
        );
    }

    [Test]
    public void Rules_say_when_ten_times_is_a_hundred_times()
    {
        (int code, string output, string error) = CliHost.Run("plan", "--rules");
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(output, Does.Contain("only if the data grows tenfold too").And.Contain("100 B parameters"));
    }

    [Test]
    public void A_sweep_writes_charts_a_table_and_a_page()
    {
        string folder = Directory.CreateTempSubdirectory("plan-sweep").FullName;
        try
        {
            (int code, string output, string error) = CliHost.Run(
                "plan",
                "--sweep",
                "params=1e9:1e11",
                "--gpus",
                "256",
                "--out",
                folder
            );
            Assert.That(code, Is.EqualTo(ExitCode.Success), error);
            Assert.That(output, Does.Contain("Days are of the best split on 256 a100-80g"));
            Assert.That(
                Directory.GetFiles(folder).Select(Path.GetFileName),
                Is.EquivalentTo(
                    new[]
                    {
                        "index.html",
                        "sweep.csv",
                        "compute.svg",
                        "compute.png",
                        "memory.svg",
                        "memory.png",
                        "days.svg",
                        "days.png",
                    }
                )
            );
            string[][] rows = [.. File.ReadLines(Path.Combine(folder, "sweep.csv")).Select(line => line.Split(','))];
            Assert.That(rows, Has.Length.EqualTo(1 + 9), "two decades of four, and the end");
            double[] first = [.. rows[1].Select(cell => double.Parse(cell, CultureInfo.InvariantCulture))],
                last = [.. rows[^1].Select(cell => double.Parse(cell, CultureInfo.InvariantCulture))];
            Assert.That(last[0] / first[0], Is.EqualTo(100).Within(5).Percent);
            Assert.That(
                last[3] / first[3],
                Is.EqualTo(100).Within(12).Percent,
                "on the same tokens compute grows as parameters"
            );
            Assert.That(
                last[4] / first[4],
                Is.EqualTo(10_000).Within(15).Percent,
                "with growing tokens as their square"
            );
            Assert.That(first[5], Is.EqualTo(18 * first[0]).Within(1e-9).Percent);
            string page = File.ReadAllText(Path.Combine(folder, "index.html"));
            Assert.That(page, Does.Contain("<svg").And.Contain("20 tokens per parameter").And.Not.Contain("<script"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestCase(
        ExitCode.Usage,
        "--sweep is 'params=1e13:1e9'; it is params=LEAST:MOST",
        "plan",
        "--sweep",
        "params=1e13:1e9"
    )]
    [TestCase(ExitCode.Usage, "--sweep is 'params=0:nan'", "plan", "--sweep", "params=0:nan")]
    [TestCase(
        ExitCode.Usage,
        "--sweep makes up its models",
        "plan",
        "--sweep",
        "params=1e9:1e10",
        "--model",
        "gpt3-175b"
    )]
    [TestCase(ExitCode.Usage, "--out needs --sweep", "plan", "--model", "gpt3-175b", "--out", "x")]
    [TestCase(ExitCode.Failure, "7 heads do not divide a width of 256", "plan", "--model", "gpt", "--heads", "7")]
    [TestCase(ExitCode.Usage, "--model is missing", "plan")]
    [TestCase(ExitCode.Failure, "There is no model 'gpt3-174b': near it are gpt3-175b", "plan", "--model", "gpt3-174b")]
    [TestCase(
        ExitCode.Failure,
        "There is no GPU 'a100': near it are a100-40g, a100-80g",
        "plan",
        "--model",
        "gpt3-175b",
        "--gpu",
        "a100"
    )]
    [TestCase(ExitCode.Failure, "cannot be read", "plan", "--model", "/nonexistent/m.json")]
    [TestCase(ExitCode.Failure, "does not divide the 96 layers", "plan", "--model", "gpt3-175b", "--pipeline", "7")]
    [TestCase(
        ExitCode.Failure,
        "which is not a multiple of 3 copies",
        "plan",
        "--model",
        "gpt3-175b",
        "--tensor",
        "8",
        "--gpus",
        "24",
        "--batch",
        "1024"
    )]
    [TestCase(ExitCode.Failure, "a node of a100-80g has 8 GPUs", "plan", "--model", "gpt3-175b", "--tensor", "16")]
    [TestCase(ExitCode.Failure, "does not compute in bf16", "plan", "--model", "gpt3-175b", "--gpu", "v100-32g")]
    [TestCase(ExitCode.Failure, "No split over up to", "plan", "--model", "gpt3-175b", "--fit", "--days", "0.001")]
    [TestCase(
        ExitCode.Usage,
        "--gpus is 10, which is not a multiple of --tensor 8 × --pipeline 1",
        "plan",
        "--model",
        "gpt3-175b",
        "--gpus",
        "10",
        "--tensor",
        "8"
    )]
    [TestCase(
        ExitCode.Usage,
        "--fit chooses the split: leave --tensor out",
        "plan",
        "--model",
        "gpt3-175b",
        "--fit",
        "--tensor",
        "8"
    )]
    [TestCase(ExitCode.Usage, "--fit and --rules exclude each other", "plan", "--fit", "--rules")]
    [TestCase(
        ExitCode.Usage,
        "--batch is -1; it is a whole number from 1 to",
        "plan",
        "--model",
        "gpt3-175b",
        "--batch",
        "-1"
    )]
    [TestCase(
        ExitCode.Usage,
        "--tokens is nan; it is a number from 1 to 1e18",
        "plan",
        "--model",
        "gpt3-175b",
        "--tokens",
        "nan"
    )]
    public void What_cannot_be_is_one_sentence(int code, string message, params string[] arguments)
    {
        (int actual, _, string error) = CliHost.Run(arguments);
        Assert.That(actual, Is.EqualTo(code), error);
        Assert.That(error, Does.Contain(message).And.Not.Contain("   at "));
    }
}
