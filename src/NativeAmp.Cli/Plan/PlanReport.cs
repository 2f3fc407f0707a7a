using System.Text.Json.Serialization;
using NativeAmp.Planning;

namespace NativeAmp.Cli.Plan;

/// <summary>A plan as --json writes it. Figures are in bytes, FLOP, seconds; PlanFigures names them.</summary>
internal sealed record PlanReport(
    string Model,
    double Parameters,
    double Tokens,
    string Gpu,
    long Gpus,
    string Precision,
    string Layout,
    double BytesPerParameter,
    PlanSplitReport Split,
    bool Fits,
    IReadOnlyDictionary<string, double> Figures,
    IReadOnlyList<string> Advice
)
{
    /// <summary>Formula and source of each figure; with --explain.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PlanFigure>? Explained { get; init; }

    public static PlanReport Of(TrainingPlan plan, bool explain)
    {
        PlanRequest request = plan.Request;
        ParallelSplit s = request.Split;
        IReadOnlyList<PlanFigure> figures = PlanFigures.Of(plan);
        return new(
            request.Model.Name,
            request.Model.Parameters,
            request.TotalTokens,
            request.Gpu.Name,
            s.Gpus,
            request.Precision.ToString().ToLowerInvariant(),
            request.Layout.Name,
            request.Layout.Total,
            new(
                s.Tensor,
                s.Pipeline,
                s.Data,
                s.MicroBatch,
                request.Batch,
                s.Interleave,
                s.ZeroStage,
                s.SequenceParallel,
                s.Recompute.ToString().ToLowerInvariant(),
                s.FlashAttention ? "flash" : "standard",
                s.OffloadParameters ? "all"
                    : s.OffloadOptimizer ? "optimizer"
                    : "none",
                s.OverlapGradients
            ),
            plan.Fits,
            figures.ToDictionary(f => f.Key, f => f.Value),
            plan.Advice
        )
        {
            Explained = explain ? figures : null,
        };
    }
}

/// <summary>The split of a model, as --json writes it.</summary>
internal sealed record PlanSplitReport(
    int Tensor,
    int Pipeline,
    int Data,
    int MicroBatch,
    int Batch,
    int Interleave,
    int Zero,
    bool SequenceParallel,
    string Recompute,
    string Attention,
    string Offload,
    bool Overlap
);

/// <summary>A row of --validate.</summary>
internal sealed record ValidationReport(
    string Id,
    string Quantity,
    string Role,
    double Published,
    double Planned,
    double Error,
    double Limit,
    bool Met,
    string Source,
    string Note
);

/// <summary>The output of --validate.</summary>
internal sealed record ValidationTable(
    double ProductEfficiency,
    double GatherEfficiency,
    double FittedProductEfficiency,
    double FittedGatherEfficiency,
    int Met,
    int Missed,
    IReadOnlyList<ValidationReport> Rows
);

/// <summary>The output of --rules.</summary>
internal sealed record RulesReport(
    IReadOnlyList<ComputeGrowth> Growth,
    double Parameters,
    string Gpu,
    IReadOnlyList<StateCount> GpusForState
);

/// <summary>The output of --list.</summary>
internal sealed record CatalogReport(IReadOnlyList<ModelEntry> Models, IReadOnlyList<GpuEntry> Gpus);

/// <summary>A known model.</summary>
internal sealed record ModelEntry(
    string Name,
    double Parameters,
    int Layers,
    int Width,
    int Heads,
    int Vocabulary,
    int Context,
    double? Tokens,
    string Source
);

/// <summary>A known GPU.</summary>
internal sealed record GpuEntry(
    string Name,
    string What,
    double MemoryBytes,
    IReadOnlyDictionary<string, double> Tflops,
    double MemoryGbPerS,
    double Watts,
    string Source
);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(PlanReport))]
[JsonSerializable(typeof(ValidationTable))]
[JsonSerializable(typeof(RulesReport))]
[JsonSerializable(typeof(CatalogReport))]
[JsonSerializable(typeof(NetworkReport))]
[JsonSerializable(typeof(Dictionary<string, double?>[]))]
internal sealed partial class PlanJson : JsonSerializerContext;
