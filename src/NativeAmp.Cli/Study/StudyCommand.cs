using System.CommandLine;
using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Study;

/// <summary>nativeamp study: the options and their help.</summary>
internal sealed class StudyCommand
{
    private const int MostBatches = 64;
    private const string DefaultPrecisions = "fp32,fp16,bf16";
    private const string DefaultBatches = "64,128,256";

    private readonly TrainCommand _train = new();
    private readonly Option<string> _model = CommonOptions.OneOf(
        "--model",
        "cnn",
        "Network to train.",
        "cnn",
        "gpt",
        "mlp"
    );
    private readonly Option<string[]> _precision = List(
        "--precision",
        "LIST",
        DefaultPrecisions,
        "Precisions to compare, with commas between.",
        ReadPrecisions
    );
    private readonly Option<int[]> _batch = List(
        "--batch",
        "LIST|auto",
        DefaultBatches,
        "Batch sizes to compare, with commas between; auto looks for the largest that fits in each precision.",
        ReadBatches
    );

    private readonly Option<int> _repeat = NumberOption.Whole(
        "--repeat",
        3,
        1,
        StudySettings.MostRepeats,
        "Runs of each configuration, each with a seed of its own."
    );
    private readonly Option<ulong> _seed = NumberOption.Whole(
        "--seed",
        1UL,
        0UL,
        ulong.MaxValue - StudySettings.MostRepeats,
        "Seed of the order and of the first repeat; the second takes the next."
    );
    private readonly Option<int> _warmup = NumberOption.Whole(
        "--warmup",
        5,
        0,
        1_000_000,
        "First steps of a run, at most a quarter of it, that do not count for its speed."
    );
    private readonly Option<string?> _out = CommonOptions.Path(
        "--out",
        "DIR",
        "Folder of the study. A study that was stopped goes on there."
    );
    private readonly Option<bool> _open = new("--open") { Description = "Show the report in the browser." };
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>The command, to be added to a root.</summary>
    public Command Build(Terminal terminal)
    {
        Command command = new(
            "study",
            "Compare precisions and batch sizes by measured runs: speed, memory, power, accuracy, in one report."
        )
        {
            _model,
            _precision,
            _batch,
            _repeat,
            _seed,
            _warmup,
            _out,
        };
        foreach (Option option in _train.OfAStudy)
            command.Add(option);
        command.Add(_open);
        command.Add(_json);
        command.Add(new StudyReportCommand().Build(terminal));
        command.SetAction(parsed =>
        {
            StudySettings settings = Settings(parsed);
            string folder =
                parsed.GetValue(_out) ?? throw new UsageException("Give --out DIR, the folder of the study.");
            return new StudyRun(
                settings,
                new StudyFolder(folder),
                terminal,
                parsed.GetValue(_json),
                parsed.GetValue(_open)
            ).Run();
        });
        return command;
    }

    /// <summary>The settings from the arguments.</summary>
    /// <exception cref="UsageException">They are not valid together, or for a run.</exception>
    public StudySettings Settings(ParseResult parsed)
    {
        var given = new OrderedDictionary<string, string>();
        foreach (Option option in _train.OfAStudy)
        {
            if (parsed.GetResult(option) is { Implicit: false } result)
                given[option.Name] = result.Tokens.Single().Value;
        }

        StudySettings settings = new StudySettings
        {
            Model = parsed.GetValue(_model)!,
            Precisions = parsed.GetResult(_precision) is null
                ? ReadPrecisions(DefaultPrecisions)
                : parsed.GetValue(_precision)!,
            Batches = parsed.GetResult(_batch) is null ? ReadBatches(DefaultBatches) : parsed.GetValue(_batch)!,
            Repeats = parsed.GetValue(_repeat),
            Seed = parsed.GetValue(_seed),
            Warmup = parsed.GetValue(_warmup),
            TrainOptions = given,
        }.Check();
        CheckRun(settings);
        return settings;
    }

    // Refuse options that train refuses before anything runs.
    private static void CheckRun(StudySettings settings)
    {
        var train = new TrainCommand();
        Command command = train.Build(new Terminal(TextWriter.Null, TextWriter.Null, live: null));
        foreach (string precision in settings.Precisions)
        {
            var run = new PlannedRun(
                new Configuration(precision, settings.AutoBatch ? 1 : settings.Batches[0]),
                1,
                settings.Seed,
                RunKind.Measured
            );
            ParseResult parsed = command.Parse([
                .. TrainArguments.Of(settings, run, settings.TrainOptions, "run").Skip(1),
            ]);
            if (parsed.Errors.Count > 0)
                throw new UsageException(parsed.Errors[0].Message);
            train.Settings(parsed);
        }
    }

    // Without a default factory: the help would show the default a second time, in another form.
    private static Option<T[]> List<T>(
        string name,
        string helpName,
        string fallback,
        string description,
        Func<string, T[]> read
    ) =>
        new(name)
        {
            Description = $"{description} [default: {fallback}]",
            HelpName = helpName,
            CustomParser = result =>
            {
                try
                {
                    return read(result.Tokens.Single().Value);
                }
                catch (UsageException e)
                {
                    result.AddError(e.Message);
                    return [];
                }
            },
        };

    private static string[] ReadPrecisions(string text) =>
        [
            .. text.Split(',', StringSplitOptions.TrimEntries)
                .Select(name =>
                    StudySettings.PrecisionNames.Contains(name)
                        ? name
                        : throw new UsageException(
                            $"--precision is '{text}'; it is a list of fp32, fp16, bf16, with commas between."
                        )
                ),
        ];

    private static int[] ReadBatches(string text)
    {
        if (text == "auto")
            return [];
        int[] batches =
        [
            .. text.Split(',', StringSplitOptions.TrimEntries)
                .Select(item =>
                    int.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture, out int batch) && batch > 0
                        ? batch
                        : throw new UsageException(
                            $"--batch is '{text}'; it is auto, or a list of whole numbers from 1 to {int.MaxValue}, "
                                + "with commas between."
                        )
                ),
        ];
        return batches.Length <= MostBatches
            ? batches
            : throw new UsageException($"--batch names {batches.Length} sizes; it is at most {MostBatches}.");
    }
}
