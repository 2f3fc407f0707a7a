using NativeAmp.Planning;

namespace NativeAmp.Training.Tests.Planning;

/// <summary>The search, against a plain loop over every split.</summary>
internal sealed class SplitSearchTests
{
    private static PlanRequest Request(string model, int batch, string gpu = "a100-80g") =>
        new()
        {
            Model = PlanCatalog.Standard.Model(model),
            Gpu = PlanCatalog.Standard.Gpu(gpu),
            Layout = StateLayout.Of("megatron", TrainingPrecision.Bf16),
            Split = new ParallelSplit { FlashAttention = true },
            Batch = batch,
            Tokens = 1e11,
        };

    [TestCase("gpt3-13b", 16)]
    [TestCase("llama-7b", 8)]
    public void The_best_split_is_the_fastest_of_all_that_fit(string model, int gpus)
    {
        PlanRequest request = Request(model, 64);
        double fastest = Every(request, gpus).Where(plan => plan.Fits).Min(plan => plan.Time.Step);
        TrainingPlan? best = SplitSearch.Best(request, gpus);
        Assert.That(best, Is.Not.Null);
        Assert.That(best!.Fits && best.Request.Split.Gpus == gpus);
        Assert.That(best.Time.Step, Is.EqualTo(fastest).Within(1e-9).Percent);
    }

    [Test]
    public void No_smaller_number_of_GPUs_does_it()
    {
        PlanRequest request = Request("gpt3-13b", 64);
        TrainingPlan plan = SplitSearch.Fit(request, days: 30, mostGpus: 4096)!;
        Assert.That(plan.Fits && plan.Days <= 30);
        int found = (int)plan.Request.Split.Gpus;
        Assert.That(found, Is.GreaterThan(8));
        foreach (int fewer in Enumerable.Range(1, found - 1).Where(n => n % 8 == 0 || 8 % n == 0))
            Assert.That(SplitSearch.Best(request, fewer) is not { } other || other.Days > 30, $"{fewer} GPUs");
    }

    [Test]
    public void The_answer_is_always_the_same_and_a_longer_time_never_takes_more()
    {
        PlanRequest request = Request("llama-2-70b", 1024);
        TrainingPlan first = SplitSearch.Fit(request, 20, 65536)!,
            again = SplitSearch.Fit(request, 20, 65536)!,
            slower = SplitSearch.Fit(request, 40, 65536)!;
        Assert.That(again.Request.Split, Is.EqualTo(first.Request.Split));
        Assert.That(slower.Request.Split.Gpus, Is.LessThanOrEqualTo(first.Request.Split.Gpus));
    }

    [Test]
    public void What_does_not_fit_says_which_memory_and_what_would_help()
    {
        PlanRequest request = Request("gpt3-175b", 64) with
        {
            Split = new ParallelSplit { Tensor = 8, FlashAttention = true },
        };
        TrainingPlan plan = Planner.Plan(request);
        Assert.That(plan.Fits, Is.False);
        Assert.That(plan.Advice[0], Does.Contain("does not fit").And.Contain("Most of it is"));
        Assert.That(plan.Advice.Skip(1), Has.Some.Contains("--offload optimizer"));
        Assert.That(SplitSearch.Best(request, 8), Is.Null);
    }

    private static IEnumerable<TrainingPlan> Every(PlanRequest request, int gpus)
    {
        foreach (int tensor in (int[])[1, 2, 4, 8])
        foreach (int pipeline in Enumerable.Range(1, gpus))
        foreach (int micro in (int[])[1, 2, 4, 8, 16])
        foreach (int stage in (int[])[0, 1, 2, 3])
        foreach (int interleave in (int[])[1, 2, 3, 4])
        foreach (Recomputation recompute in Enum.GetValues<Recomputation>())
        {
            // ZeRO-2 and 3 under a pipeline would reduce and gather for every micro-batch, which is not done in
            // practice, and which the search does not try.
            if (gpus % (tensor * pipeline) != 0 || (stage > 1 && pipeline > 1))
                continue;
            var split = new ParallelSplit
            {
                Tensor = tensor,
                Pipeline = pipeline,
                Data = gpus / tensor / pipeline,
                MicroBatch = micro,
                ZeroStage = stage,
                Interleave = interleave,
                Recompute = recompute,
                SequenceParallel = tensor > 1,
                FlashAttention = true,
            };
            TrainingPlan plan;
            try
            {
                plan = Planner.Plan(request with { Split = split });
            }
            catch (PlanException)
            {
                continue; // not a valid combination
            }

            if (interleave == 1 || plan.Request.MicroBatches % pipeline == 0)
                yield return plan;
        }
    }
}
