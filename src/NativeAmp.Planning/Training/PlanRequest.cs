namespace NativeAmp.Planning;

/// <summary>A training to plan.</summary>
public sealed record PlanRequest
{
    /// <summary>The model.</summary>
    public required TransformerModel Model { get; init; }

    /// <summary>The GPUs, all of one kind.</summary>
    public required Gpu Gpu { get; init; }

    /// <summary>The precision of matrix products.</summary>
    public TrainingPrecision Precision { get; init; } = TrainingPrecision.Bf16;

    /// <summary>The bytes per parameter, by kind.</summary>
    public required StateLayout Layout { get; init; }

    /// <summary>The split over GPUs.</summary>
    public ParallelSplit Split { get; init; } = new();

    /// <summary>Samples of a step, over all GPUs, B.</summary>
    public required int Batch { get; init; }

    /// <summary>
    /// Tokens of the whole training, D. Null takes the model's, or without those 20 per parameter (arXiv 2203.15556).
    /// </summary>
    public double? Tokens { get; init; }

    /// <summary>The efficiencies of the machine.</summary>
    public MachineConstants Constants { get; init; } = MachineConstants.Standard;

    /// <summary>Tokens of the whole training.</summary>
    public double TotalTokens => Tokens ?? Model.Tokens ?? 20 * Model.Parameters;

    /// <summary>Micro-batches of a step on each copy, m = B / (d b).</summary>
    public int MicroBatches => Batch / (Split.Data * Split.MicroBatch);

    /// <summary>Bytes of an element of matrix products.</summary>
    public double ElementBytes => Precision is TrainingPrecision.Fp32 or TrainingPrecision.Tf32 ? 4 : 2;

    /// <summary>Checks that the numbers fit together.</summary>
    /// <exception cref="PlanException">They do not; the message says which.</exception>
    public void Check()
    {
        ParallelSplit s = Split;
        foreach (
            (int value, string name) in new[]
            {
                (s.Tensor, "tensor"),
                (s.Pipeline, "pipeline"),
                (s.Data, "data"),
                (s.MicroBatch, "micro-batch"),
                (s.Interleave, "interleave"),
                (Batch, "batch"),
            }
        )
            Require(value >= 1, $"{name} is {value}; it is 1 or more");
        Require(s.ZeroStage is >= 0 and <= 3, $"ZeRO stage is {s.ZeroStage}; it is 0, 1, 2 or 3");
        Require(
            s.Tensor <= Gpu.GpusPerNode,
            $"tensor is {s.Tensor}, but a node of {Gpu.Name} has {Gpu.GpusPerNode} GPUs, which alone have links fast "
                + "enough"
        );
        Require(
            Model.Heads % s.Tensor == 0,
            $"tensor is {s.Tensor}, which does not divide the {Model.Heads} heads of {Model.Name}"
        );
        Require(
            Model.Layers % s.Pipeline == 0,
            $"pipeline is {s.Pipeline}, which does not divide the {Model.Layers} layers of {Model.Name}"
        );
        Require(s.Interleave == 1 || s.Pipeline > 1, $"interleave is {s.Interleave}, but there is one stage");
        Require(
            Model.Layers / s.Pipeline % s.Interleave == 0,
            $"interleave is {s.Interleave}, which does not divide the {Model.Layers / s.Pipeline} layers of a stage"
        );
        Require(
            Batch % ((long)s.Data * s.MicroBatch) == 0,
            $"batch is {Batch}, which is not a multiple of {s.Data} copies × {s.MicroBatch} samples"
        );
        Require(!s.OffloadParameters || s.ZeroStage == 3, "to offload parameters needs ZeRO-3");
        Require(
            !s.SequenceParallel || s.Tensor > 1,
            "sequence parallelism splits over the tensor group, and tensor is 1"
        );
        Require(
            s.ZeroStage == 0 || s.Data > 1,
            $"ZeRO-{s.ZeroStage} shards over copies of the model, and there is one"
        );
        Require(
            s.ZeroStage <= 1 || s.Pipeline == 1,
            $"ZeRO-{s.ZeroStage} under a pipeline of {s.Pipeline} would move all of it for every micro-batch; take "
                + "ZeRO-1, or no pipeline"
        );
        _ = Gpu.Peak(Precision);
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
            throw new PlanException($"This plan cannot be: {message}.");
    }
}
