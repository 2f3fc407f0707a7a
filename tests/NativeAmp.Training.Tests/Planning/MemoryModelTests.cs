using NativeAmp.Planning;

namespace NativeAmp.Training.Tests.Planning;

/// <summary>Memory of a GPU, against figures computed by hand.</summary>
internal sealed class MemoryModelTests
{
    private const double H = 12288,
        L = 96,
        A = 96,
        S = 2048,
        V = 50257;

    private static PlanRequest Gpt3(ParallelSplit split, string layout = "megatron", int batch = 64) =>
        new()
        {
            Model = PlanCatalog.Standard.Model("gpt3-175b"),
            Gpu = PlanCatalog.Standard.Gpu("a100-80g"),
            Precision = TrainingPrecision.Fp16,
            Layout = StateLayout.Of(layout, TrainingPrecision.Fp16),
            Split = split,
            Batch = batch,
        };

    [Test]
    public void Parameters_are_12lh2_and_what_biases_norms_and_embeddings_add()
    {
        TransformerModel model = PlanCatalog.Standard.Model("gpt3-175b");
        Assert.That(
            model.Parameters,
            Is.EqualTo(12 * L * H * H * (1 + 13 / (12 * H) + (V + S) / (12 * L * H)) + 2 * H).Within(1e-12).Percent
        );
        Assert.That(model.Parameters / 1e9, Is.EqualTo(174.6).Within(0.1), "GPT-3's own table");
    }

    // The sizes in the papers and model cards, in billions.
    [TestCase("megatron-1.7b", 1.7)]
    [TestCase("megatron-529.6b", 529.6)]
    [TestCase("megatron-1008b", 1008.0)]
    [TestCase("llama-7b", 6.7)]
    [TestCase("llama-65b", 65.2)]
    [TestCase("llama-2-70b", 69.0)]
    [TestCase("llama-3-8b", 8.0)]
    [TestCase("llama-3-405b", 405.9)]
    [TestCase("mistral-7b", 7.2)]
    [TestCase("bloom-176b", 176.2)]
    public void Known_models_have_their_published_sizes(string name, double billions) =>
        Assert.That(
            PlanCatalog.Standard.Model(name).Parameters / 1e9,
            Is.EqualTo(billions).Within(0.6).Percent.Or.EqualTo(billions).Within(0.05)
        );

    [Test]
    public void Layouts_have_their_frameworks_bytes()
    {
        Assert.That(StateLayout.Of("megatron", TrainingPrecision.Bf16).Total, Is.EqualTo(18));
        Assert.That(StateLayout.Of("deepspeed", TrainingPrecision.Bf16).Total, Is.EqualTo(20));
        Assert.That(StateLayout.Of("nativeamp", TrainingPrecision.Bf16).Total, Is.EqualTo(16));
        Assert.That(StateLayout.Of("megatron", TrainingPrecision.Fp32).Total, Is.EqualTo(16));
    }

    /// <summary>
    /// Megatron's own calculator: 6 + 12 / d bytes per parameter with the distributed optimizer, which is ZeRO-1.
    /// </summary>
    [TestCase(1, 0, 18.0)]
    [TestCase(8, 1, 6 + 12 / 8.0)]
    [TestCase(64, 1, 6 + 12 / 64.0)]
    [TestCase(8, 2, 2 + 16 / 8.0)]
    [TestCase(8, 3, 18 / 8.0)]
    public void ZeRO_shards_what_its_stage_says(int data, int stage, double bytes)
    {
        MemoryPlan memory = Planner.Plan(Gpt3(new ParallelSplit { Data = data, ZeroStage = stage })).Memory;
        double parameters = PlanCatalog.Standard.Model("gpt3-175b").Parameters;
        Assert.That(memory.State, Is.EqualTo(bytes * parameters).Within(1e-9).Percent);
    }

    [Test]
    public void Offloaded_state_is_the_hosts()
    {
        MemoryPlan memory = Planner
            .Plan(
                Gpt3(
                    new ParallelSplit
                    {
                        Data = 8,
                        ZeroStage = 2,
                        OffloadOptimizer = true,
                    }
                )
            )
            .Memory;
        double parameters = PlanCatalog.Standard.Model("gpt3-175b").Parameters;
        Assert.That(
            memory.State,
            Is.EqualTo(2 * parameters).Within(1e-9).Percent,
            "ZeRO-2 with offloading: 2 P on the GPU"
        );
        Assert.That(memory.Host, Is.EqualTo(16 * parameters / 8).Within(1e-9).Percent);
    }

    // Table 2 of Korthikanti et al., bytes per layer.
    [TestCase(1, false, Recomputation.None, 34 + 5 * A * S / H)]
    [TestCase(8, false, Recomputation.None, 10 + 24 / 8.0 + 5 * A * S / (H * 8))]
    [TestCase(8, true, Recomputation.None, 34 / 8.0 + 5 * A * S / (H * 8))]
    [TestCase(8, false, Recomputation.Selective, 10 + 24 / 8.0)]
    [TestCase(8, true, Recomputation.Selective, 34 / 8.0)]
    [TestCase(8, false, Recomputation.Full, 2.0)]
    public void A_layer_keeps_what_table_2_says(int tensor, bool sequence, Recomputation recompute, double timesSbh)
    {
        PlanRequest request = Gpt3(
            new ParallelSplit
            {
                Tensor = tensor,
                SequenceParallel = sequence,
                MicroBatch = 4,
                Recompute = recompute,
            }
        );
        Assert.That(
            MemoryModel.LayerActivations(request, recompute),
            Is.EqualTo(timesSbh * S * 4 * H).Within(1e-9).Percent
        );
    }

    /// <summary>
    /// Figure 7 of the same paper, read from its bars: activations in percent of those with tensor parallelism alone.
    /// </summary>
    [TestCase("megatron-22b", 66.84, 49.42, 16.18, 7.64)]
    [TestCase("megatron-175b", 62.04, 56.53, 18.49, 8.71)]
    [TestCase("megatron-529.6b", 58.31, 62.04, 20.27, 9.42)]
    [TestCase("megatron-1008b", 58.31, 62.04, 20.27, 9.42)]
    public void Savings_are_those_of_figure_7(string name, double sequence, double selective, double both, double full)
    {
        double all = Layer(false, Recomputation.None);
        Assert.That(100 * Layer(true, Recomputation.None) / all, Is.EqualTo(sequence).Within(2).Percent);
        Assert.That(100 * Layer(false, Recomputation.Selective) / all, Is.EqualTo(selective).Within(2).Percent);
        Assert.That(100 * Layer(true, Recomputation.Selective) / all, Is.EqualTo(both).Within(2).Percent);
        Assert.That(100 * Layer(false, Recomputation.Full) / all, Is.EqualTo(full).Within(2).Percent);

        double Layer(bool parallel, Recomputation recompute) =>
            MemoryModel.LayerActivations(
                Gpt3(
                    new ParallelSplit
                    {
                        Tensor = 8,
                        SequenceParallel = parallel,
                        Recompute = recompute,
                    }
                ) with
                {
                    Model = PlanCatalog.Standard.Model(name),
                },
                recompute
            );
    }

    [TestCase(8, 1, 64, 96.0)]
    [TestCase(8, 3, 64, 96 * (1 + 7 / 24.0))]
    [TestCase(8, 1, 4, 48.0)]
    public void The_first_stage_keeps_the_layers_that_are_in_flight(
        int pipeline,
        int interleave,
        int batch,
        double layers
    )
    {
        var split = new ParallelSplit
        {
            Tensor = 8,
            Pipeline = pipeline,
            Interleave = interleave,
        };
        PlanRequest request = Gpt3(split, batch: batch);
        MemoryPlan memory = Planner.Plan(request).Memory;
        Assert.That(memory.IsLastStage, Is.False);
        double embeddings = S * H * layers * pipeline / 96;
        Assert.That(
            memory.Activations,
            Is.EqualTo(layers * (10 + 3 + 5 * A * S / (H * 8)) * S * H + embeddings).Within(1e-9).Percent
        );
    }

    [Test]
    public void The_kinds_add_up_to_the_total()
    {
        MemoryPlan memory = Planner
            .Plan(
                Gpt3(
                    new ParallelSplit
                    {
                        Tensor = 8,
                        Pipeline = 8,
                        Data = 2,
                        ZeroStage = 1,
                    }
                )
            )
            .Memory;
        Assert.That(memory.Kinds.Sum(kind => kind.Bytes), Is.EqualTo(memory.Total).Within(1e-9).Percent);
        Assert.That(memory.Kinds.Select(kind => kind.Bytes), Is.Ordered.Descending);
    }
}
