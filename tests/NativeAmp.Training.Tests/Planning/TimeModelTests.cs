using NativeAmp.Planning;

namespace NativeAmp.Training.Tests.Planning;

/// <summary>Compute and time against figures by hand, and in limits in which only one part takes time.</summary>
internal sealed class TimeModelTests
{
    private const double Endless = 1e30;

    // A machine on which only matrix products take time.
    private static readonly Gpu ProductsOnly = PlanCatalog.Standard.Gpu("a100-80g") with
    {
        MemoryBandwidth = Endless,
        LinkBandwidth = Endless,
        NetworkBandwidth = Endless,
        HostBandwidth = Endless,
    };

    private static PlanRequest Request(string model, ParallelSplit split, int batch, Gpu? gpu = null) =>
        new()
        {
            Model = PlanCatalog.Standard.Model(model),
            Gpu = gpu ?? PlanCatalog.Standard.Gpu("a100-80g"),
            Precision = TrainingPrecision.Fp16,
            Layout = StateLayout.Of("megatron", TrainingPrecision.Fp16),
            Split = split,
            Batch = batch,
        };

    /// <summary>
    /// Equation 3 of Megatron's paper: F = 96 B s l h² (1 + s / 6h + V / 16 l h), with full recomputation.
    /// </summary>
    [TestCase("megatron-1.7b", 24, 2304)]
    [TestCase("megatron-145.6b", 80, 12288)]
    [TestCase("megatron-1008b", 128, 25600)]
    public void Flop_of_a_step_are_Megatrons_formula(string model, double l, double h)
    {
        const double B = 512,
            s = 2048,
            V = 51200;
        FlopPlan flops = Planner.Plan(Request(model, new ParallelSplit { Recompute = Recomputation.Full }, 512)).Flops;
        Assert.That(
            flops.Hardware,
            Is.EqualTo(96 * B * s * l * h * h * (1 + s / (6 * h) + V / (16 * l * h))).Within(1e-9).Percent
        );
    }

    [Test]
    public void GPT3_takes_the_flop_that_its_paper_says()
    {
        FlopPlan flops = Planner.Plan(Request("gpt3-175b", new ParallelSplit(), 1536)).Flops;
        Assert.That(flops.SixNd, Is.EqualTo(3.14e23).Within(0.5).Percent);
        Assert.That(flops.SixNd / 1e15 / 86400, Is.EqualTo(3640).Within(0.5).Percent);
        Assert.That(
            flops.Total,
            Is.EqualTo(flops.SixNd).Within(4).Percent,
            "attention's share is what 6 N D leaves out"
        );
        Assert.That(flops.Total, Is.GreaterThan(flops.SixNd));
    }

    [TestCase(1, Recomputation.None)]
    [TestCase(8, Recomputation.Full)]
    [TestCase(4, Recomputation.Selective)]
    public void Where_only_products_take_time_the_step_is_flop_over_speed(int tensor, Recomputation recompute)
    {
        TrainingPlan plan = Planner.Plan(
            Request(
                "gpt3-13b",
                new ParallelSplit
                {
                    Tensor = tensor,
                    Data = 2,
                    Recompute = recompute,
                },
                64,
                ProductsOnly
            )
        );
        double speed = 312e12 * MachineConstants.Standard.ProductEfficiency * tensor * 2;
        Assert.That(plan.Time.Step, Is.EqualTo(plan.Flops.Hardware / speed).Within(1e-6).Percent);
        Assert.That(
            plan.HardwareUtilization,
            Is.EqualTo(MachineConstants.Standard.ProductEfficiency).Within(1e-6).Percent
        );
    }

    /// <summary>(p - 1) / (m v) of the time of the micro-batches, by section 2.2 of Megatron's paper.</summary>
    [TestCase(12, 1, 384)]
    [TestCase(8, 3, 64)]
    public void The_bubble_is_the_papers_share(int pipeline, int interleave, int batch)
    {
        TimePlan time = Planner
            .Plan(
                Request(
                    "gpt3-175b",
                    new ParallelSplit
                    {
                        Tensor = 8,
                        Pipeline = pipeline,
                        Interleave = interleave,
                    },
                    batch
                )
            )
            .Time;
        double ideal =
            time.Products
            + time.ElementWise
            + time.TensorCommunication
            + time.PipelineCommunication
            + time.Recomputation;
        Assert.That(time.Bubble / ideal, Is.EqualTo((pipeline - 1.0) / (batch * interleave)).Within(1e-9).Percent);
    }

    [Test]
    public void Gradients_cross_the_network_twice()
    {
        PlanRequest request = Request(
            "gpt3-175b",
            new ParallelSplit
            {
                Tensor = 8,
                Pipeline = 12,
                Data = 4,
            },
            1536
        );
        double bytes = 2 * request.Model.Parameters / 96;
        double network = 25e9 * MachineConstants.Standard.NetworkEfficiency;
        Assert.That(
            Planner.Plan(request).Time.DataCommunication,
            Is.EqualTo(2 * bytes * 3 / 4 / network).Within(1e-9).Percent
        );
    }

    /// <summary>
    /// Sharded tensors move for every micro-batch: gradients under ZeRO-2, parameters twice and gradients under ZeRO-3.
    /// </summary>
    [TestCase(2, 1, 2)]
    [TestCase(2, 4, 5)]
    [TestCase(3, 1, 3)]
    [TestCase(3, 4, 12)]
    public void Sharding_moves_gradients_and_parameters_for_every_micro_batch(int stage, int microBatches, int times)
    {
        // Nothing else takes time, so nothing overlaps.
        Gpu network = ProductsOnly with
        {
            NetworkBandwidth = 1e9,
            PeakFlops = new Dictionary<TrainingPrecision, double> { [TrainingPrecision.Fp16] = Endless },
        };
        PlanRequest request = Request(
            "gpt3-13b",
            new ParallelSplit
            {
                Tensor = 8,
                Data = 16,
                ZeroStage = stage,
            },
            16 * microBatches,
            network
        );
        MachineConstants c = MachineConstants.Standard;
        double rate = 1e9 * (stage == 3 ? c.GatherEfficiency : c.NetworkEfficiency);
        Assert.That(
            Planner.Plan(request).Time.DataCommunication,
            Is.EqualTo(times * 2 * request.Model.Parameters / 8 * 15 / 16 / rate).Within(1e-6).Percent
        );
    }

    [Test]
    public void Energy_is_hours_times_power_times_PUE()
    {
        TrainingPlan plan = Planner.Plan(Request("gpt3-13b", new ParallelSplit { Data = 8 }, 64));
        Assert.That(plan.MegawattHours, Is.EqualTo(plan.GpuHours * 400 * 1.1 / 1e6).Within(1e-9).Percent);
        Assert.That(plan.GpuHours, Is.EqualTo(plan.Days * 24 * 8).Within(1e-9).Percent);
    }

    [Test]
    public void Every_figure_has_its_formula_and_time_and_memory_add_up()
    {
        TrainingPlan plan = Planner.Plan(
            Request(
                "gpt3-175b",
                new ParallelSplit
                {
                    Tensor = 8,
                    Pipeline = 8,
                    Data = 16,
                    ZeroStage = 1,
                },
                1536
            )
        );
        IReadOnlyList<PlanFigure> figures = PlanFigures.Of(plan);
        Assert.That(figures.Select(f => f.Key), Is.Unique);
        Assert.That(figures.Select(f => f.Formula), Has.None.Empty);
        Assert.That(
            figures.Where(f => f.Unit == "s" && f.Key != "seconds_step").Sum(f => f.Value),
            Is.EqualTo(plan.Time.Step).Within(1e-9).Percent
        );
        Assert.That(
            figures.Where(f => f.Unit == "bytes" && f.Key is not ("memory_total" or "memory_host")).Sum(f => f.Value),
            Is.EqualTo(plan.Memory.Total).Within(1e-9).Percent
        );
        Assert.That(plan.Days, Is.EqualTo(plan.Time.Step * 3e11 / (1536 * 2048.0) / 86400).Within(1e-9).Percent);
    }

    /// <summary>
    /// Ten times the parameters are ten times the compute on the same data, and a hundred times if the data grows too.
    /// </summary>
    [TestCase(1e9)]
    [TestCase(1e10)]
    [TestCase(1e11)]
    public void Compute_grows_as_parameters_or_as_their_square(double parameters)
    {
        ComputeGrowth growth = RulesOfThumb.Growth(parameters, 10);
        Assert.That(growth.Factor, Is.EqualTo(10).Within(5).Percent);
        Assert.That(growth.SameData, Is.EqualTo(10).Within(12).Percent);
        Assert.That(growth.GrowingData, Is.EqualTo(100).Within(15).Percent);
    }

    [Test]
    public void A_hundred_billion_parameters_need_so_many_GPUs_to_hold_their_state()
    {
        const double room = (80 - 1.5) * (1L << 30);
        IReadOnlyList<StateCount> states = RulesOfThumb.GpusForState(1e11, PlanCatalog.Standard.Gpu("a100-80g"));
        Assert.That(
            states.Select(s => (s.BytesPerParameter, s.Gpus)),
            Is.EqualTo(
                new[] { 16, 20, 18, 16, 2 + 4 + 2 + 2 * (1 + 4 / 256.0) }.Select(bytes =>
                    (bytes, (long)Math.Ceiling(bytes * 1e11 / room))
                )
            )
        );
        Assert.That(states[0].Gpus, Is.EqualTo(19), "float32");
    }
}
