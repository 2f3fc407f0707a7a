namespace NativeAmp.Planning;

/// <summary>Seconds of a step by cause.</summary>
public sealed record TimePlan
{
    /// <summary>Matrix products of forward and backward pass.</summary>
    public required double Products { get; init; }

    /// <summary>Element-wise kernels, by their bytes.</summary>
    public required double ElementWise { get; init; }

    /// <summary>All-reduces over the tensor group.</summary>
    public required double TensorCommunication { get; init; }

    /// <summary>Recomputation, with its all-reduces.</summary>
    public required double Recomputation { get; init; }

    /// <summary>Transfers from stage to stage.</summary>
    public required double PipelineCommunication { get; init; }

    /// <summary>Waiting while the pipeline fills and empties.</summary>
    public required double Bubble { get; init; }

    /// <summary>The part of reducing gradients, or of ZeRO-3's gathers, that is not hidden.</summary>
    public required double DataCommunication { get; init; }

    /// <summary>The optimizer's step, on the GPU or on the host with its transfers.</summary>
    public required double Optimizer { get; init; }

    /// <summary>Seconds of a step.</summary>
    public double Step =>
        Products
        + ElementWise
        + TensorCommunication
        + Recomputation
        + PipelineCommunication
        + Bubble
        + DataCommunication
        + Optimizer;
}
