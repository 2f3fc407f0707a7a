namespace NativeAmp.Training.Quantization;

/// <summary>A batch norm that is part of a convolution.</summary>
public sealed record FoldedBatchNorm
{
    /// <summary>Full name of the batch norm.</summary>
    public required string Name { get; init; }

    /// <summary>Full name of the convolution.</summary>
    public required string Convolution { get; init; }
}

/// <summary>A batch norm that stays as it is.</summary>
public sealed record KeptBatchNorm
{
    /// <summary>Full name of the batch norm.</summary>
    public required string Name { get; init; }

    /// <summary>The reason, such as "it does not follow a convolution in a Sequential".</summary>
    public required string Reason { get; init; }
}

/// <summary>The result of <see cref="BatchNormFolding.Fold"/>.</summary>
public sealed record BatchNormReport
{
    internal static readonly BatchNormReport None = new() { Folded = [], Kept = [] };

    /// <summary>Those that were folded, in the order of the model.</summary>
    public required IReadOnlyList<FoldedBatchNorm> Folded { get; init; }

    /// <summary>Those that were not, in the order of the model.</summary>
    public required IReadOnlyList<KeptBatchNorm> Kept { get; init; }
}
