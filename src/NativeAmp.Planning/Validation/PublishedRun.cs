using System.Text.Json;

namespace NativeAmp.Planning;

/// <summary>The quantity of a published figure.</summary>
public enum PublishedQuantity
{
    /// <summary>Seconds of a step.</summary>
    Seconds,

    /// <summary>10¹² FLOP per second and GPU, recomputation included.</summary>
    Tflops,

    /// <summary>GPU hours of the whole training.</summary>
    GpuHours,

    /// <summary>Days of the whole training.</summary>
    Days,

    /// <summary>Tokens per second and GPU.</summary>
    TokensPerGpuSecond,

    /// <summary>GiB of weights, gradients and optimizer state of a stage's layers.</summary>
    LayerStateGib,

    /// <summary>GiB of activations of the first stage.</summary>
    ActivationsGib,

    /// <summary>GiB per GPU by DeepSpeed's estimators.</summary>
    DeepSpeedStateGib,

    /// <summary>6 N D.</summary>
    SixNd,

    /// <summary>6 N D in petaflop/s-days: 10¹⁵ FLOP per second for a day.</summary>
    SixNdPetaflopDays,

    /// <summary>Megawatt hours of a number of GPU hours.</summary>
    EnergyOfHours,
}

/// <summary>A published figure, measured or computed in another way.</summary>
public sealed record PublishedRun
{
    private static readonly Dictionary<string, PublishedQuantity> Quantities = new()
    {
        ["seconds"] = PublishedQuantity.Seconds,
        ["tflops"] = PublishedQuantity.Tflops,
        ["gpu_hours"] = PublishedQuantity.GpuHours,
        ["days"] = PublishedQuantity.Days,
        ["tokens_per_gpu_second"] = PublishedQuantity.TokensPerGpuSecond,
        ["layer_state_gib"] = PublishedQuantity.LayerStateGib,
        ["activations_gib"] = PublishedQuantity.ActivationsGib,
        ["deepspeed_state_gib"] = PublishedQuantity.DeepSpeedStateGib,
        ["flop_6nd"] = PublishedQuantity.SixNd,
        ["petaflop_days_6nd"] = PublishedQuantity.SixNdPetaflopDays,
        ["megawatt_hours_of_hours"] = PublishedQuantity.EnergyOfHours,
    };

    /// <summary>Its name.</summary>
    public required string Id { get; init; }

    /// <summary>The quantity of the figure.</summary>
    public required PublishedQuantity Quantity { get; init; }

    /// <summary>The figure.</summary>
    public required double Value { get; init; }

    /// <summary>Paper and table.</summary>
    public required string Source { get; init; }

    /// <summary>Assumptions that the source does not state; empty if there are none.</summary>
    public string Note { get; init; } = "";

    /// <summary>The run as a request; null where only parameters are given.</summary>
    public PlanRequest? Request { get; init; }

    /// <summary>GPU hours of an energy figure.</summary>
    public double? GpuHours { get; init; }

    /// <summary>Number of parameters, if the source gives only these.</summary>
    public double? Parameters { get; init; }

    /// <summary>Parameters of the largest layer, if the source gives only these.</summary>
    public double? LargestLayer { get; init; }

    /// <summary>The layout of state.</summary>
    public required StateLayout Layout { get; init; }

    /// <summary>The split of the run.</summary>
    public required ParallelSplit Split { get; init; }

    /// <summary>The GPU.</summary>
    public required Gpu Gpu { get; init; }

    /// <summary>All published runs of published-runs.json, in its order.</summary>
    public static IReadOnlyList<PublishedRun> All { get; } = ReadAll();

    /// <summary>
    /// Whether the figure is the time of a whole step or training, which <see cref="Calibration"/> may use.
    /// </summary>
    public bool IsTime =>
        Quantity is PublishedQuantity.Seconds or PublishedQuantity.Tflops or PublishedQuantity.GpuHours;

    private static PublishedRun[] ReadAll()
    {
        using Stream stream = PlanCatalog.Embedded("published-runs.json");
        using JsonDocument document = FactReader.Parse(stream, "published-runs.json");
        return [.. document.RootElement.GetProperty("runs").EnumerateArray().Select(Read)];
    }

    private static PublishedRun Read(JsonElement element)
    {
        string id = new FactReader(element, "published-runs.json").Text("id");
        var facts = new FactReader(element, $"run '{id}' of published-runs.json");
        string quantity = facts.Text("quantity"),
            offload = facts.Text("offload", "none"),
            model = facts.Text("model");
        int gpus = facts.Whole("gpus", 1, 1_000_000),
            tensor = facts.Whole("tensor", 1, 64, 1),
            pipeline = facts.Whole("pipeline", 1, 1000, 1);
        var precision = facts.OneOf("precision", TrainingPrecision.Fp16);
        var split = new ParallelSplit
        {
            Tensor = tensor,
            Pipeline = pipeline,
            Data = gpus / tensor / pipeline,
            MicroBatch = facts.Whole("micro_batch", 1, 10_000, 1),
            Interleave = facts.Whole("interleave", 1, 1000, 1),
            SequenceParallel = facts.Flag("sequence_parallel", false),
            ZeroStage = facts.Whole("zero", 0, 3, 0),
            Recompute = facts.OneOf("recompute", Recomputation.None),
            OffloadOptimizer = offload is "optimizer" or "all",
            OffloadParameters = offload is "all",
            FlashAttention = facts.Flag("flash_attention", false),
            OverlapGradients = facts.Flag("overlap_gradients", false),
            ScatterGather = facts.Flag("scatter_gather", true),
        };
        var layout = StateLayout.Of(facts.Text("layout", "megatron"), precision);
        Gpu gpu = PlanCatalog.Standard.Gpu(facts.Text("gpu"));
        double? parameters = facts.OptionalReal("parameters", 1, 1e15);
        var run = new PublishedRun
        {
            Id = facts.Text("id"),
            Quantity = Quantities[quantity],
            Value = facts.Real("value", 0, 1e30),
            Source = facts.Text("source"),
            Note = facts.Text("note", ""),
            GpuHours = facts.OptionalReal("gpu_hours", 1, 1e12),
            Parameters = parameters,
            LargestLayer = facts.OptionalReal("largest_layer", 1, 1e15),
            Layout = layout,
            Split = split,
            Gpu = gpu,
            Request = parameters is not null
                ? null
                : new PlanRequest
                {
                    Model = PlanCatalog.Standard.Model(model),
                    Gpu = gpu,
                    Precision = precision,
                    Layout = layout,
                    Split = split,
                    Batch = facts.Whole("batch", 1, 1_000_000),
                    Tokens = facts.OptionalReal("tokens", 1, 1e18),
                },
        };
        _ = facts.Has("batch") ? facts.Whole("batch", 1, 1_000_000) : 0;
        facts.RefuseOthers();
        return run;
    }
}
