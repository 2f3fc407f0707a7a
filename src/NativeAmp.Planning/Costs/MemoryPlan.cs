namespace NativeAmp.Planning;

/// <summary>Bytes of a GPU's memory by kind, on the stage that needs most.</summary>
public sealed record MemoryPlan
{
    /// <summary>
    /// Whether the stage that needs most is the last (with the head) and not the first (with the embeddings, and most
    /// micro-batches in flight).
    /// </summary>
    public required bool IsLastStage { get; init; }

    /// <summary>Float32 masters, or float32 parameters where they are no masters of a compute copy.</summary>
    public required double Parameters { get; init; }

    /// <summary>Compute copies that products read.</summary>
    public required double ComputeCopies { get; init; }

    /// <summary>Gradients, float32 copies of them included.</summary>
    public required double Gradients { get; init; }

    /// <summary>State of the optimizer.</summary>
    public required double OptimizerState { get; init; }

    /// <summary>What the forward pass keeps for the backward pass.</summary>
    public required double Activations { get; init; }

    /// <summary>
    /// A layer that is computed again, gradients of logits, the products' workspace, a gathered layer of ZeRO-3.
    /// </summary>
    public required double Workspace { get; init; }

    /// <summary>Buffers of transfers and collectives.</summary>
    public required double Communication { get; init; }

    /// <summary>What no plan may use: the driver's context and the libraries'.</summary>
    public required double Reserved { get; init; }

    /// <summary>Bytes in the host's memory for each GPU.</summary>
    public required double Host { get; init; }

    /// <summary>
    /// Bytes of weights, gradients, masters and state of the stage's layers alone, without embeddings and head.
    /// </summary>
    public required double LayerState { get; init; }

    /// <summary>Parameters, copies, gradients and optimizer state.</summary>
    public double State => Parameters + ComputeCopies + Gradients + OptimizerState;

    /// <summary>All of the GPU's memory.</summary>
    public double Total => State + Activations + Workspace + Communication + Reserved;

    /// <summary>The kinds by name, largest first.</summary>
    public IReadOnlyList<(string Name, double Bytes)> Kinds =>
        [
            .. new[]
            {
                ("parameters", Parameters),
                ("compute copies", ComputeCopies),
                ("gradients", Gradients),
                ("optimizer state", OptimizerState),
                ("activations", Activations),
                ("workspace", Workspace),
                ("communication buffers", Communication),
                ("reserved", Reserved),
            }.OrderByDescending(kind => kind.Item2),
        ];
}
