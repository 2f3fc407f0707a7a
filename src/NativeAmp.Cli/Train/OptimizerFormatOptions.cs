using System.CommandLine;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Train;

/// <summary>Options of how an optimizer keeps its state, and the masters of parameters.</summary>
internal sealed class OptimizerFormatOptions
{
    private const string Stochastic = "stochastic";

    /// <summary>--optimizer-state.</summary>
    public Option<string> State { get; } =
        CommonOptions.OneOf(
            "--optimizer-state",
            "float32",
            "How the optimizer keeps its state, such as Adam's moments; 8 bits are by blocks of 256 (dynamic8: relative "
                + "precision, linear8: equal steps). Embeddings and parameters of less than 4,096 elements keep float32.",
            [.. Enum.GetNames<StateFormat>().Select(name => name.ToLowerInvariant())]
        );

    /// <summary>--masters.</summary>
    public Option<string> Masters { get; } =
        CommonOptions.OneOf(
            "--masters",
            "float32",
            "The master values that steps update: float32; remainder (bf16), the 16 bits that bfloat16 parameters lack "
                + "of them, for the same training in two bytes less; none, parameters of bf16 or fp16 alone. Norms and "
                + "embeddings stay float32.",
            "float32",
            "remainder",
            "none"
        );

    /// <summary>--weight-rounding.</summary>
    public Option<string> WeightRounding { get; } =
        CommonOptions.OneOf(
            "--weight-rounding",
            Stochastic,
            "--masters none: how steps round parameters. To nearest they stand still where steps are small.",
            Stochastic,
            "nearest"
        );

    /// <summary>The settings with the values of these options.</summary>
    /// <exception cref="UsageException">They do not fit together.</exception>
    public TrainSettings Apply(TrainSettings settings, ParseResult parsed)
    {
        MasterFormat? masters = parsed.GetValue(Masters) switch
        {
            "remainder" => MasterFormat.Remainder,
            "none" => MasterFormat.None,
            _ => null,
        };
        if (masters != MasterFormat.None && parsed.GetResult(WeightRounding) is { Implicit: false })
            throw new UsageException(
                "--weight-rounding is of parameters without masters, which steps round: it needs --masters none."
            );
        return settings with
        {
            OptimizerState = Enum.Parse<StateFormat>(parsed.GetValue(State)!, ignoreCase: true),
            Masters = masters,
            WeightRounding =
                masters == MasterFormat.None && parsed.GetValue(WeightRounding) == Stochastic
                    ? Rounding.Stochastic
                    : Rounding.NearestEven,
        };
    }
}
