using System.Globalization;
using NativeAmp.Cli.Output;

namespace NativeAmp.Cli.Study;

/// <summary>Why a precision is not faster: one sentence for each cause, with its figure.</summary>
internal static class Diagnosis
{
    private const int MostShapes = 4;

    /// <summary>
    /// The causes for a precision at a batch, against the baseline at the same batch; empty if there is no profile.
    /// </summary>
    public static IReadOnlyList<string> Of(StudyFigures figures, string precision, int batch)
    {
        if (
            !figures.Profiles.TryGetValue(new Configuration(precision, batch), out RunFigures? run)
            || ProfileGroups.Of(run) is not { } groups
        )
            return [];
        string baseline = Decisions.Baseline(figures);
        ProfileGroups? other =
            precision != baseline
            && figures.Profiles.TryGetValue(new Configuration(baseline, batch), out RunFigures? reference)
                ? ProfileGroups.Of(reference)
                : null;
        string name = Words.Precision(precision),
            otherName = Words.Precision(baseline);
        List<string> causes = [];
        causes.AddRange(Parts(groups, other, name, otherName));
        causes.Add(Host(groups, name, figures.IsGpu));
        if (!figures.IsGpu && Instructions(run, precision, name) is { } instructions)
            causes.Add(instructions);
        causes.Add($"Shapes: {Shapes(Product.Of(run), figures.IsGpu)}");
        if (Batches(figures, precision) is { } batches)
            causes.Add(batches);
        return causes;
    }

    private static IEnumerable<string> Parts(ProfileGroups groups, ProfileGroups? other, string name, string otherName)
    {
        ProfileGroups before = other ?? groups;
        double share = before.Products / before.Total;
        yield return $"Products (GEMM, convolution, attention): {Percentage.Of(share)} of "
            + $"{(other is null ? "a step" : $"{otherName}'s step")}, so that a step could become at most "
            + $"{Words.Number(1 / Math.Max(1e-9, 1 - share))} times as fast if they took no time at all"
            + $"{Against(groups.Products, other?.Products, name, otherName)}.";
        yield return "Work bound by memory (activations, norms, pooling, loss, optimizer): "
            + $"{Percentage.Of(groups.MemoryBound / groups.Total)} of {name}'s "
            + $"step{Against(groups.MemoryBound, other?.MemoryBound, name, otherName)}.";
        yield return $"Casts: {Percentage.Of(groups.Casts / groups.Total)} of {name}'s step, "
            + $"{Words.Number(groups.Casts)} ms that {otherName} does not need.";
    }

    private static string Host(ProfileGroups groups, string name, bool isGpu)
    {
        double host = groups.Host + groups.Waiting;
        return "Host (managed code, allocator, copies): "
            + $"{Percentage.Of(host / groups.Total)} of {name}'s step, {Words.Number(host)} ms that no precision changes"
            + (isGpu ? ", and that the GPU's work hides where it takes longer: in a profile nothing overlaps." : ".");
    }

    private static string? Instructions(RunFigures run, string precision, string name) =>
        run.Result.Processor.Count > 0 && !Processor.Multiplies(run.Result.Processor, precision)
            ? $"Instructions: this processor has none that multiply in {name} (it has "
                + $"{string.Join(", ", run.Result.Processor)}), so products are computed in FP32 after a conversion, "
                + "and only bytes are saved."
            : null;

    private static string Against(double now, double? before, string name, string otherName) =>
        before is { } b && now > 0
            ? $"; they take {Words.Number(now)} ms in {name} and {Words.Number(b)} ms in {otherName}, "
                + $"{Words.Number(b / now)} times as fast"
            : "";

    private static string Shapes(IReadOnlyList<Product> products, bool isGpu)
    {
        if (products.Count == 0)
            return "no product was seen.";
        Product[] missed = [.. products.Where(product => !product.IsAligned)];
        string place = isGpu ? "" : " (this machine has none; on a GPU it would matter)";
        if (missed.Length == 0)
            return "every product has sizes that are multiples of 8, as tensor cores want them in FP16 and "
                + $"BF16{place}.";
        double share = missed.Sum(product => product.Flop) / products.Sum(product => product.Flop);
        string names =
            string.Join(", ", missed.Take(MostShapes).Select(product => product.ToString()))
            + (missed.Length > MostShapes ? ", …" : "");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{missed.Length} of {products.Count} products, {Percentage.Of(share)} of the arithmetic, have a size "
                + $"that is no multiple of 8 and miss the tensor cores' tiles{place}: {names}."
        );
    }

    /// <summary>The cost of a small batch, compared with the largest one.</summary>
    private static string? Batches(StudyFigures figures, string precision)
    {
        ConfigurationFigures[] all =
        [
            .. figures.Batches.Select(batch => figures.Find(precision, batch)).OfType<ConfigurationFigures>(),
        ];
        if (all.Length < 2)
            return null;
        double small = Statistics.Median(all[0].Of(run => run.SamplesPerSecond)),
            large = Statistics.Median(all[^1].Of(run => run.SamplesPerSecond));
        return string.Create(
                CultureInfo.InvariantCulture,
                $"Batch: a sample takes {Words.Number(large / small)} times as long in batches of "
                    + $"{all[0].Configuration.Batch} as of {all[^1].Configuration.Batch}"
            )
            + (
                large / small > 1.25
                    ? ": much of a small batch's step does not depend on its samples."
                    : ": the batch matters little here."
            );
    }
}
