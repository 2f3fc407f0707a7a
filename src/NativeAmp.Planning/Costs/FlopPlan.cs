namespace NativeAmp.Planning;

/// <summary>Floating-point operations of a step, over all GPUs; a multiplication and an addition are two.</summary>
public sealed record FlopPlan
{
    /// <summary>Products of forward and backward pass, exact by layer.</summary>
    public required double Model { get; init; }

    /// <summary>What is computed again.</summary>
    public required double Recomputed { get; init; }

    /// <summary>Tokens of a step.</summary>
    public required double TokensPerStep { get; init; }

    /// <summary>Steps to the end.</summary>
    public required double Steps { get; init; }

    /// <summary>6 N D over the whole training (arXiv 2001.08361).</summary>
    public required double SixNd { get; init; }

    /// <summary>What the GPUs compute in a step.</summary>
    public double Hardware => Model + Recomputed;

    /// <summary>Products of the whole training.</summary>
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
            // A kernel that keeps no scores computes them again as a part of its backward pass.
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
    /// Scores and weighted values: 4 s h a token and layer, half of it where what is masked is skipped.
    /// </summary>
    internal static double CorePerToken(PlanRequest request) =>
        4.0 * request.Model.Context * request.Model.Width * (request.Split.FlashAttention ? 0.5 : 1);
}
