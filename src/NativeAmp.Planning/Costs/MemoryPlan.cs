namespace NativeAmp.Planning;

/// <summary>Bytes of a GPU's memory by kind, on the stage that needs the most.</summary>
public sealed record MemoryPlan
{
    /// <summary>
    /// Whether the stage that needs the most is the last (with the head); otherwise it is the first (with the
    /// embeddings and the most micro-batches in flight).
    /// </summary>
    public required bool IsLastStage { get; init; }

    /// <summary>Float32 master weights, or float32 parameters without compute copies.</summary>
    public required double Parameters { get; init; }

    /// <summary>Compute copies, which matrix products read.</summary>
    public required double ComputeCopies { get; init; }

    /// <summary>Gradients, float32 copies of them included.</summary>
    public required double Gradients { get; init; }

    /// <summary>State of the optimizer.</summary>
    public required double OptimizerState { get; init; }

    /// <summary>Activations that the forward pass keeps for the backward pass.</summary>
    public required double Activations { get; init; }

    /// <summary>
    /// A recomputed layer, gradients of logits, the workspace of matrix products, a gathered layer of ZeRO-3.
    /// </summary>
    public required double Workspace { get; init; }

    /// <summary>Buffers of transfers and collectives.</summary>
    public required double Communication { get; init; }

    /// <summary>Memory that no plan may use: the contexts of the driver and the libraries.</summary>
    public required double Reserved { get; init; }

    /// <summary>Bytes in the host's memory for each GPU.</summary>
    public required double Host { get; init; }

    /// <summary>
    /// Bytes of weights, gradients, masters and optimizer state of the stage's layers, without embeddings and head.
    /// </summary>
    public required double LayerState { get; init; }

    /// <summary>Parameters, copies, gradients and optimizer state.</summary>
    public double State => Parameters + ComputeCopies + Gradients + OptimizerState;

    /// <summary>Total bytes of the GPU's memory.</summary>
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
