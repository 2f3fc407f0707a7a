using System.CommandLine;
using NativeAmp.Cli;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>
/// Every option with a value gets the extremes of every type: it is refused with a line that names it, or the run ends
/// with an exit code.
/// </summary>
public class OptionExtremesTests
{
    private static readonly string[] Extremes =
    [
        "",
        " ",
        "0",
        "-0",
        "-1",
        "1",
        "2",
        "0.5",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "-Infinity",
        "1e-400",
        "1e-46",
        "1e-40",
        "1e-30",
        "1e30",
        "1e38",
        "1e39",
        "1e300",
        "1e309",
        "2147483647",
        "2147483648",
        "-2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999999999999999",
        "0x10",
        "1,5",
        "1_000",
        "1 000",
        "+1",
        "1e",
        "x",
        "∞",
        "٣",
        "--",
        "-",
    ];

    // Options that change neither the length of a run nor a path; the runs themselves are short.
    private static readonly string[] Lasting = ["--steps", "--epochs", "--seconds", "--params", "--sample"];
    private static readonly string[] Paths =
    [
        "--data",
        "--metrics",
        "--checkpoint",
        "--inspect-out",
        "--replay",
        "--html",
        "--charts",
        "--out",
        "--catalog",
        "--tensorboard",
    ];

    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        Idx.WriteTinyMnist(Path.Combine(_folder, "data"), train: 32, test: 10, seed: 7);
        File.WriteAllText(
            Path.Combine(_folder, "text"),
            string.Concat(Enumerable.Repeat("the quick brown fox. ", 200))
        );
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCaseSource(nameof(Valued))]
    public void An_extreme_is_refused_by_name_or_works(string command, string option)
    {
        foreach (string value in Extremes.Where(value => !Paths.Contains(option) || string.IsNullOrWhiteSpace(value)))
        {
            if (Lasting.Contains(option) && !IsRefused(command, option, value))
                continue;
            foreach (string[] arguments in Runs(command, option, value))
            {
                (int code, _, string error) = CliHost.Run(arguments);
                string said = $"{string.Join(' ', arguments)}: {code}, {error}";
                Assert.That(code, Is.AnyOf(ExitCode.Success, ExitCode.Failure, ExitCode.Usage), said);
                Assert.That(error, Does.Not.Contain("unexpected failure").And.Not.Contain("   at "), said);
                if (IsRefused(command, option, value))
                    Assert.That(
                        (code, error.Contains(option, StringComparison.Ordinal)),
                        Is.EqualTo((ExitCode.Usage, true)),
                        said
                    );
            }
        }
    }

    [Test]
    public void A_number_that_would_become_0_or_infinity_is_not_taken_for_one()
    {
        foreach (
            string argument in (string[])
                [
                    "--clip=1e-46",
                    "--clip=1e-400",
                    "--clip=1e39",
                    "--lr=1e-400",
                    "--init-scale=1e309",
                    "--temperature=1e-400",
                    "--weight-decay=1e-400",
                ]
        )
        {
            (int code, _, string error) = CliHost.Run("train", argument);
            Assert.That(code, Is.EqualTo(ExitCode.Usage), argument);
            Assert.That(
                error,
                Does.Contain($"{argument.Replace("=", " is ", StringComparison.Ordinal)}; it is a n")
                    .And.Contain(" to ")
            );
        }
    }

    private static IEnumerable<TestCaseData> Valued()
    {
        foreach (
            Command command in CommandTree.Build(new Terminal(TextWriter.Null, TextWriter.Null, live: null)).Subcommands
        )
        {
            foreach (
                Option option in command.Options.Where(option =>
                    option.ValueType != typeof(bool) && option.Arity.MaximumNumberOfValues > 0
                )
            )
                yield return new TestCaseData(command.Name, option.Name).SetArgDisplayNames(command.Name, option.Name);
        }
    }

    private static bool IsRefused(string command, string option, string value) =>
        CommandTree
            .Build(new Terminal(TextWriter.Null, TextWriter.Null, live: null))
            .Parse([
                command,
                option + "=" + value,
                .. command is "inspect" or "export" or "quantize" or "evaluate" or "generate" ? (string[])["file"] : [],
            ])
            .Errors.Count > 0;

    /// <summary>A short run of each kind with one of its options replaced.</summary>
    private IEnumerable<string[]> Runs(string command, string option, string value)
    {
        if (command == "bench")
        {
            yield return With(
                option,
                value,
                "bench",
                ("--params", "1000"),
                ("--seconds", "0.01"),
                ("--device", "cpu"),
                ("--threads", "1")
            );
            yield break;
        }

        if (command is "formats" or "inspect" or "quantize" or "evaluate")
        {
            yield return [command, option + "=" + value, command == "formats" ? "0.1" : Path.Combine(_folder, "text")];
            yield break;
        }

        if (command is "export" or "generate")
        {
            string weights = Path.Combine(_folder, "gpt.safetensors");
            using var gpt = new Gpt(
                new GptOptions
                {
                    Context = 4,
                    Width = 8,
                    Heads = 2,
                    Blocks = 1,
                }
            );
            gpt.Save(weights);
            yield return
            [
                .. command == "export"
                    ? With(option, value, command, ("--out", Path.Combine(_folder, "out")), ("--heads", "2"))
                    : With(option, value, command, ("--device", "cpu"), ("--threads", "1"), ("--heads", "2")),
                weights,
            ];
            yield break;
        }

        if (command == "plan")
        {
            yield return With(option, value, "plan", ("--model", "gpt3-125m"), ("--batch", "8"));
            yield break;
        }

        // A study starts processes, which its own tests do; here only options that it refuses before.
        if (command == "study")
        {
            if (IsRefused(command, option, value))
                yield return With(
                    option,
                    value,
                    "study",
                    ("--model", "mlp"),
                    ("--data", Path.Combine(_folder, "data")),
                    ("--steps", "2"),
                    ("--out", Path.Combine(_folder, "study"))
                );
            yield break;
        }

        string checkpoints = Path.Combine(_folder, "c");
        if (Directory.Exists(checkpoints))
            Directory.Delete(checkpoints, recursive: true);
        yield return With(
            option,
            value,
            "train",
            ("--model", "mlp"),
            ("--data", Path.Combine(_folder, "data")),
            ("--batch", "16"),
            ("--steps", "2"),
            ("--device", "cpu"),
            ("--threads", "1"),
            ("--checkpoint", checkpoints),
            ("--every", "1")
        );
        yield return With(
            option,
            value,
            "train",
            ("--model", "gpt"),
            ("--data", Path.Combine(_folder, "text")),
            ("--batch", "2"),
            ("--steps", "2"),
            ("--device", "cpu"),
            ("--threads", "1"),
            ("--context", "8"),
            ("--width", "8"),
            ("--heads", "1"),
            ("--blocks", "1"),
            ("--sample", "4")
        );
    }

    private static string[] With(
        string option,
        string value,
        string command,
        params (string Name, string Value)[] rest
    ) =>
        [
            command,
            option + "=" + value,
            .. rest.Where(pair => pair.Name != option && !(option == "--epochs" && pair.Name == "--steps"))
                .SelectMany(pair => (string[])[pair.Name, pair.Value]),
        ];
}
