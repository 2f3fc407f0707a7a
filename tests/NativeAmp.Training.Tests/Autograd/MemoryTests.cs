using System.Runtime.CompilerServices;

namespace NativeAmp.Training.Tests.Autograd;

/// <summary>A training step leaves no more memory in use than before it.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class MemoryTests(DeviceKind kind)
{
    private static readonly string[] Precisions = ["float32", "float16", "bfloat16"];

    [TestCaseSource(nameof(Precisions))]
    public void After_the_second_step_the_system_is_asked_for_no_more_memory(string precision)
    {
        using Device device = kind.Open();
        using var run = new Run(device, precision);
        run.Step();
        run.Step();
        long allocations = device.MemoryStatistics.SystemAllocations;
        long live = device.MemoryStatistics.LiveTotalBytes;
        for (int step = 0; step < 5; step++)
            run.Step();
        Assert.That(device.MemoryStatistics.SystemAllocations, Is.EqualTo(allocations));
        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(live));
    }

    [Test]
    public void Memory_is_counted_by_what_it_is_for()
    {
        using Device device = kind.Open();
        using var run = new Run(device, "float16");
        run.Step();
        DeviceMemoryStatistics statistics = device.MemoryStatistics;
        long parameters = run.Model.ParameterCount();
        // The allocator rounds every tensor up to its granule.
        long slack = 4096L * run.Model.Parameters().Count;
        Assert.That(statistics.LiveBytes(MemoryKind.Parameters), Is.InRange(4 * parameters, 4 * parameters + slack));
        Assert.That(statistics.LiveBytes(MemoryKind.ComputeCopies), Is.InRange(2 * parameters, 2 * parameters + slack));
        Assert.That(statistics.LiveBytes(MemoryKind.Gradients), Is.InRange(2 * parameters, 2 * parameters + slack));
        Assert.That(statistics.LiveBytes(MemoryKind.OptimizerState), Is.GreaterThanOrEqualTo(8 * parameters));
        Assert.That(statistics.PeakBytes(MemoryKind.Activations), Is.Positive);
    }

    [Test]
    public void Backward_gives_all_activations_back()
    {
        using Device device = kind.Open();
        using var run = new Run(device, "float32");
        run.Step();
        Assert.That(device.MemoryStatistics.LiveBytes(MemoryKind.Activations), Is.Zero);
    }

    [Test]
    public void Evaluation_keeps_nothing()
    {
        using Device device = kind.Open();
        using var run = new Run(device, "float32");
        using (NoGrad.Enter())
            run.Evaluate();
        DeviceMemoryStatistics before = device.MemoryStatistics;
        for (int batch = 0; batch < 5; batch++)
        {
            using (NoGrad.Enter())
                run.Evaluate();
        }

        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before.LiveTotalBytes));
        Assert.That(device.MemoryStatistics.SystemAllocations, Is.EqualTo(before.SystemAllocations));
    }

    [Test]
    public void A_scope_gives_back_what_a_forward_pass_without_Backward_saved()
    {
        using Device device = kind.Open();
        using var run = new Run(device, "float32");
        // Once for the operators' scratch memory, which stays.
        using (TensorScope.Enter())
            run.Evaluate();
        long before = device.MemoryStatistics.LiveTotalBytes;
        using (TensorScope.Enter())
        {
            run.Evaluate();
            Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.GreaterThan(before));
        }

        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
    }

    [Test]
    public void Forward_passes_without_Backward_and_without_a_scope_stay_at_a_level()
    {
        using Device device = kind.Open();
        using Tensor weight = Tensor.Zeros(device, DType.Float32, [64, 1024]);
        weight.RequiresGrad = true;
        using Tensor x = Tensor.Zeros(device, DType.Float32, [256, 1024]);
        long most = 0;
        for (int pass = 0; pass < 100; pass++)
        {
            // 1 MiB that its node saves, 64 KiB of output, and no references to them afterwards.
            Ops.Linear(x * 2, weight);
            // Not the scratch memory of operators: cuBLAS's on an H100 alone is 32 MiB.
            most = Math.Max(most, device.MemoryStatistics.LiveBytes(MemoryKind.Activations));
        }

        Assert.That(most, Is.LessThan(16 << 20));
    }

    [Test]
    public void An_optimizer_that_was_given_up_gives_its_state_back_while_its_parameters_live()
    {
        using Device device = kind.Open();
        using Linear model = new Linear(64, 64).To(device);
        for (int i = 0; i < 5; i++)
            Leave(model);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // The collector leaves memory to the next call.
        Tensor.Zeros(device, DType.Float32, [1]).Dispose();

        Assert.That(device.MemoryStatistics.LiveBytes(MemoryKind.OptimizerState), Is.Zero);
        Assert.That(() => model.To(DType.BFloat16), Throws.Nothing);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { MasterFormat = MasterFormat.None });
        Assert.That(() => model.To(DType.Float32), Throws.InvalidOperationException);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Leave(Linear model) => _ = new FusedAdam(model.Parameters());
    }

    [Test]
    public void Remainders_stay_with_parameters_whose_optimizer_was_given_up()
    {
        using Device device = kind.Open();
        using Linear model = new Linear(2, 1, bias: false).To(device).To(DType.BFloat16);
        Leave(model);
        GC.Collect();
        GC.WaitForPendingFinalizers();

        Assert.That(model.Weight.ReadMaster(), Is.EqualTo(new[] { 0.1f, 0.2f }));
        // Another optimizer keeps its own.
        using var optimizer = new FusedAdam(model.Parameters());
        Assert.That(model.Weight.ReadMaster(), Is.EqualTo(model.Weight.ToFloats()));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Leave(Linear model)
        {
            _ = new FusedAdam(model.Parameters());
            model.Weight.WriteMaster([0.1f, 0.2f]);
        }
    }

    [Test]
    public void A_device_is_closed_though_tensors_were_never_disposed()
    {
        Device device = kind.Open();
        Leave(device);
        device.Dispose();
        Assert.That(() => Tensor.Zeros(device, DType.Float32, [1]), Throws.TypeOf<ObjectDisposedException>());

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Leave(Device device)
        {
            Tensor x = Tensor.Zeros(device, DType.Float32, [3]);
            x.RequiresGrad = true;
            _ = Ops.Sum(x * 2);
        }
    }

    [TestCaseSource(nameof(Precisions))]
    public void The_same_seed_and_threads_give_the_same_bits(string precision)
    {
        float[] once = Trained();
        float[] again = Trained();
        Assert.That(again, Is.EqualTo(once));

        float[] Trained()
        {
            using Device device = kind.Open(2);
            using var run = new Run(device, precision);
            for (int step = 0; step < 4; step++)
                run.Step();
            return [.. run.Model.Parameters().SelectMany(parameter => parameter.ToFloats())];
        }
    }

    private sealed class Run : IDisposable
    {
        private readonly FusedAdam _optimizer;
        private readonly GradScaler _scaler;
        private readonly PrecisionPolicy _policy;
        private readonly Tensor _images;
        private readonly Tensor _labels;

        public Run(Device device, string precision)
        {
            var random = new RandomGenerator(31);
            Model = new Sequential(
                new Conv2d(1, 4, kernel: 3, padding: 1, random: random),
                new Relu(),
                new MaxPool2d(2),
                new Flatten(),
                new Linear(64, 32, random: random),
                new Gelu(),
                new Dropout(0.1f, random),
                new Linear(32, 5, random: random)
            ).To(device);
            _optimizer = new FusedAdam(Model.Parameters());
            _scaler = new GradScaler(device);
            _policy = PrecisionPolicy.Float32.WithCompute(DTypes.Parse(precision));
            _images = Tensor.From(device, Initializers.Normal(1)([6, 1, 8, 8], random), [6, 1, 8, 8]);
            _labels = Tensor.From(device, [0, 1, 2, 3, 4, 0], [6]);
        }

        public Sequential Model { get; }

        public Tensor Evaluate()
        {
            using (Autocast.Enter(_policy))
                return Loss.CrossEntropy(Model.Forward(_images), _labels);
        }

        public void Step()
        {
            using TensorScope scope = TensorScope.Enter();
            _scaler.Scale(Evaluate()).Backward();
            _scaler.Step(_optimizer);
            _scaler.Update();
            _optimizer.ZeroGrad();
        }

        public void Dispose()
        {
            _images.Dispose();
            _labels.Dispose();
            _scaler.Dispose();
            _optimizer.Dispose();
            Model.Dispose();
        }
    }
}
