namespace NativeAmp.Planning;

/// <summary>A model of a sweep.</summary>
/// <param name="Model">Its sizes.</param>
/// <param name="FlopFixedData">FLOP by layer of a training on the same tokens for every model.</param>
/// <param name="FlopGrowingData">FLOP by layer of a training on 20 tokens per parameter.</param>
/// <param name="StateBytes">Bytes of weights, gradients, masters and optimizer state, over all GPUs.</param>
/// <param name="Gpus">The smallest number of GPUs that holds this state.</param>
/// <param name="FixedData">The best plan on the given GPUs, on the same tokens for every model; null if none
/// fits.</param>
/// <param name="GrowingData">The same on 20 tokens per parameter.</param>
public sealed record SweepPoint(
    TransformerModel Model,
    double FlopFixedData,
    double FlopGrowingData,
    double StateBytes,
    long Gpus,
    TrainingPlan? FixedData,
    TrainingPlan? GrowingData
);

/// <summary>Parameters against compute, memory and days.</summary>
public static class ScalingSweep
{
    private const int MostPoints = 200;

    /// <summary>Models of GPT-3's proportions over a range of sizes, each planned.</summary>
    /// <param name="request">GPU, precision, layout and batch; its model and split are replaced.</param>
    /// <param name="least">Parameters of the smallest model.</param>
    /// <param name="most">Parameters of the largest.</param>
    /// <param name="gpus">The number of GPUs that the days are computed for.</param>
    /// <param name="tokens">The number of tokens that is the same for every model.</param>
    /// <param name="pointsPerDecade">Number of models from one power of ten to the next.</param>
    /// <exception cref="PlanException">The range is empty, or has more than 200 models.</exception>
    public static IReadOnlyList<SweepPoint> Of(
        PlanRequest request,
        double least,
        double most,
        int gpus,
        double tokens,
        int pointsPerDecade = 4
    )
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!(least > 0 && most >= least))
            throw new PlanException(
                FormattableString.Invariant($"A sweep goes from fewer parameters to more, not from {least} to {most}.")
            );
        int count = (int)Math.Floor(Math.Log10(most / least) * pointsPerDecade + 1e-9) + 1;
        if (count > MostPoints)
            throw new PlanException($"A sweep of {count} models is too long; {MostPoints} are possible.");
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i =>
                    Point(request, ModelFamily.Of(least * Math.Pow(10, (double)i / pointsPerDecade)), gpus, tokens)
                ),
        ];
    }

    private static SweepPoint Point(PlanRequest request, TransformerModel model, int gpus, double tokens)
    {
        PlanRequest same = request with { Model = model, Tokens = tokens },
            growing = same with { Tokens = 20 * model.Parameters };
        double state = model.Parameters * request.Layout.Total,
            room = request.Gpu.MemoryBytes - request.Constants.ReservedBytes;
        return new(
            model,
            FlopPlan.Of(same).Total,
            FlopPlan.Of(growing).Total,
            state,
            (long)Math.Ceiling(state / room),
            SplitSearch.Best(same, gpus),
            SplitSearch.Best(growing, gpus)
        );
    }
}
