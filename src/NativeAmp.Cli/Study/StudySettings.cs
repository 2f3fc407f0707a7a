using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;

namespace NativeAmp.Cli.Study;

/// <summary>The settings of a study, as saved in study.json.</summary>
internal sealed record StudySettings
{
    /// <summary>The largest number of repeats.</summary>
    public const int MostRepeats = 100;

    [JsonPropertyName("model")]
    public required string Model { get; init; }

    [JsonPropertyName("precision")]
    public required IReadOnlyList<string> Precisions { get; init; }

    /// <summary>Batch sizes; empty to find the largest that fit.</summary>
    [JsonPropertyName("batch")]
    public required IReadOnlyList<int> Batches { get; init; }

    [JsonPropertyName("repeat")]
    public required int Repeats { get; init; }

    /// <summary>Seed of the order and of the first repeat; each later repeat takes the next seed.</summary>
    [JsonPropertyName("seed")]
    public required ulong Seed { get; init; }

    /// <summary>Number of first steps that do not count for a run's speed.</summary>
    [JsonPropertyName("warmup")]
    public required int Warmup { get; init; }

    /// <summary>Options of nativeamp train that every run has, by name.</summary>
    [JsonPropertyName("train")]
    public required IReadOnlyDictionary<string, string> TrainOptions { get; init; }

    /// <summary>Whether to find the largest batches that fit.</summary>
    [JsonIgnore]
    public bool AutoBatch => Batches.Count == 0;

    /// <summary>The accuracy that ends a run, as given; null if runs have a fixed length.</summary>
    [JsonIgnore]
    public string? ToAccuracy => TrainOptions.GetValueOrDefault("--to-accuracy");

    /// <summary>Checks the settings.</summary>
    /// <exception cref="UsageException">A setting is not valid; the message says which.</exception>
    public StudySettings Check()
    {
        Require(
            Enum.TryParse<ModelKind>(Model, ignoreCase: true, out _) && !int.TryParse(Model, out _),
            $"--model is '{Model}'; it is one of cnn, gpt, mlp"
        );
        Require(
            Precisions.Count > 0 && Precisions.All(p => PrecisionNames.Contains(p)),
            $"--precision is '{string.Join(',', Precisions)}'; it is a list of fp32, fp16, bf16"
        );
        Require(
            Precisions.Distinct().Count() == Precisions.Count,
            $"--precision names one twice: {string.Join(',', Precisions)}"
        );
        Require(Batches.All(b => b > 0), $"--batch is {string.Join(',', Batches)}; each is 1 or more");
        Require(Batches.Distinct().Count() == Batches.Count, $"--batch names one twice: {string.Join(',', Batches)}");
        Require(Repeats is >= 1 and <= MostRepeats, $"--repeat is {Repeats}; it is from 1 to {MostRepeats}");
        Require(
            Seed <= ulong.MaxValue - MostRepeats,
            $"--seed is {Seed}, and each repeat takes the next: take a smaller one"
        );
        Require(Warmup >= 0, $"--warmup is {Warmup}; it is 0 or more");
        Require(
            TrainOptions.ContainsKey("--steps")
                || TrainOptions.ContainsKey("--epochs")
                || TrainOptions.ContainsKey("--to-accuracy"),
            "give --steps N, --epochs N or --to-accuracy X: how long each run is"
        );
        Require(
            TrainOptions.GetValueOrDefault("--data") != TrainSettings.StandardInput,
            "--data - can be read once only, and a study has many runs: give a file"
        );
        return this;
    }

    /// <summary>Names of the settings that differ, with both values; empty if none differ.</summary>
    public IReadOnlyList<string> DifferencesFrom(StudySettings other)
    {
        IReadOnlyDictionary<string, string> now = Values(),
            then = other.Values();
        return
        [
            .. now
                .Keys.Union(then.Keys)
                .Where(name => now.GetValueOrDefault(name) != then.GetValueOrDefault(name))
                .Select(name =>
                    $"{name} was {then.GetValueOrDefault(name) ?? "not given"}, now "
                    + $"{now.GetValueOrDefault(name) ?? "not given"}"
                ),
        ];
    }

    /// <summary>The names of precisions.</summary>
    public static IReadOnlyList<string> PrecisionNames { get; } =
    [.. Enum.GetNames<PrecisionKind>().Select(name => name.ToLowerInvariant())];

    /// <summary>Every setting as its option and text.</summary>
    public IReadOnlyDictionary<string, string> Values()
    {
        var values = new OrderedDictionary<string, string>();
        foreach (
            (string name, JsonNode? node) in JsonSerializer
                .SerializeToNode(this, StudyJson.Default.StudySettings)!
                .AsObject()
        )
        {
            if (node is JsonObject options)
            {
                foreach ((string option, JsonNode? value) in options)
                    values[option] = value!.ToString();
            }
            else
            {
                values["--" + name] = node is JsonArray list
                    ? list.Count == 0
                        ? "auto"
                        : string.Join(',', list.Select(item => item!.ToString()))
                    : node!.ToString();
            }
        }

        return values;
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
            throw new UsageException(message + ".");
    }
}
