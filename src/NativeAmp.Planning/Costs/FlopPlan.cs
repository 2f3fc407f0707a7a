namespace NativeAmp.Planning;

/// <summary>Floating-point operations of a step, over all GPUs; a multiplication and an addition are two.</summary>
public sealed record FlopPlan
{
    /// <summary>FLOP of the matrix products of the forward and backward pass, exact by layer.</summary>
    public required double Model { get; init; }

    /// <summary>FLOP of recomputation.</summary>
    public required double Recomputed { get; init; }

    /// <summary>Number of tokens of a step.</summary>
    public required double TokensPerStep { get; init; }

    /// <summary>Number of steps of the training.</summary>
    public required double Steps { get; init; }

    /// <summary>FLOP of the whole training by the rule 6 N D (arXiv 2001.08361).</summary>
    public required double SixNd { get; init; }

    /// <summary>FLOP that the GPUs compute in a step, recomputation included.</summary>
    public double Hardware => Model + Recomputed;

    /// <summary>FLOP of the matrix products of the whole training.</summary>
    public double Total => Model * Steps;

    internal static FlopPlan Of(PlanRequest request)
    {
        TransformerModel model = request.Model;
        double tokens = (double)request.Batch * model.Context;
        double core = CorePerToken(request);
        double layer = 2 * model.LayerMatrixElements + core;
        double head = 2.0 * model.Vocabulary * model.Width;
        double recomputed = request.Split.Recompute switch
        {
            Recomputation.Full => layer,
            // A kernel that does not keep the scores recomputes them in its backward pass.
            Recomputation.Selective when !request.Split.FlashAttention => core,
            _ => 0,
        };
        return new FlopPlan
        {
            Model = 3 * tokens * (model.Layers * layer + head),
            Recomputed = tokens * model.Layers * recomputed,
            TokensPerStep = tokens,
            Steps = request.TotalTokens / tokens,
            SixNd = 6 * model.Parameters * request.TotalTokens,
        };
    }

    /// <summary>
    /// FLOP of scores and weighted values per token and layer: 4 s h, or half of it if masked positions are skipped.
    /// </summary>
    internal static double CorePerToken(PlanRequest request) =>
        4.0 * request.Model.Context * request.Model.Width * (request.Split.FlashAttention ? 0.5 : 1);
}
