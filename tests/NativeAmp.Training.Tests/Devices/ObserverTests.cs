namespace NativeAmp.Training.Tests.Devices;

/// <summary>An observer of a model sees the right values, and changes no results.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ObserverTests(DeviceKind kind)
{
    [Test]
    public void Outputs_come_in_forward_order_and_gradients_in_backward_order_by_the_names_of_modules()
    {
        using Device device = kind.Open();
        using var run = new SmallNetwork(device, "gpt", "float16", initialScale: 256);
        var observer = new Recorder();
        using (observer.Observe(run.Model))
            run.Backward(0);

        // The linear layers at the ends of branches add to the residual.
        string[] block =
        [
            ".norm1 (layer_norm)",
            ".attention.qkv (linear)",
            ".attention (attention)",
            ".attention.projection (linear)",
            ".norm2 (layer_norm)",
            ".expand (linear)",
            ".contract (linear)",
        ];
        string[] expected =
        [
            "tokens (embedding)",
            " (add)",
            .. block.Select(part => "block0" + part),
            .. block.Select(part => "block1" + part),
            "norm (layer_norm)",
            "tokens (linear)",
            " (cross_entropy)",
        ];
        Assert.That(
            observer
                .Activations.Select(seen => seen.Name)
                .Where(name => !name.Contains("(cast)", StringComparison.Ordinal) && name != " (add)"),
            Is.EqualTo(expected.Where(name => name != " (add)"))
        );
        Assert.That(
            observer.Gradients.Select(seen => seen.Name),
            Is.EqualTo(observer.Activations.Select(seen => seen.Name).Reverse())
        );
        Assert.That(
            observer.Parameters.Select(seen => seen.Name).Distinct(),
            Is.EquivalentTo(run.Model.Parameters().Select(parameter => parameter.Name))
        );
    }

    [Test]
    public void Operators_of_one_name_in_a_module_are_numbered()
    {
        using Device device = kind.Open();
        using var model = new Thrice();
        using Tensor input = Tensor.From(device, [1f], [1]);
        input.RequiresGrad = true;
        var observer = new Recorder();
        using (TensorScope scope = TensorScope.Enter())
        using (observer.Observe(model))
            Ops.Sum(model.Call(input)).Backward();
        Assert.That(
            observer.Numbers.Where(seen => seen.Name == " (add)").Select(seen => seen.Number),
            Is.EqualTo(new[] { 1, 2, 2, 1 }),
            "forward, then backward"
        );
    }

    private sealed class Thrice : Module
    {
        public override Tensor Forward(Tensor input) => Ops.Add(Ops.Add(input, input), input);
    }

    [Test]
    public void Values_are_those_of_the_step_gradients_still_scaled()
    {
        using Device device = kind.Open();
        using Module model = new Sequential(new Linear(2, 1, bias: false)).To(device);
        model.Parameters()[0].CopyFrom<float>([2, -3]);
        using Tensor input = Tensor.From(device, [1f, 4f], [1, 2]);
        using var scaler = new GradScaler(device, new GradScalerOptions { InitialScale = 8 });
        var observer = new Recorder();
        using (TensorScope scope = TensorScope.Enter())
        using (observer.Observe(model))
            scaler.Scale(Ops.Sum(model.Call(input))).Backward();

        Assert.That(
            observer.Activations.Select(seen => seen.Values),
            Is.EqualTo(new float[][] { [-10], [-10] }),
            "2·1 - 3·4, and its sum"
        );
        Assert.That(observer.Gradients.Select(seen => seen.Values), Is.EqualTo(new float[][] { [8], [8] }));
        Assert.That(observer.Parameters.Single().Values, Is.EqualTo(new float[] { 8, 32 }));
    }

    [Test]
    public void A_step_that_is_observed_gives_the_same_bits(
        [ValueSource(typeof(SmallNetwork), nameof(SmallNetwork.Names))] string network,
        [ValueSource(typeof(SmallNetwork), nameof(SmallNetwork.Precisions))] string precision
    )
    {
        using Device device = kind.Open();
        using var seen = new SmallNetwork(device, network, precision, initialScale: 256);
        using var alone = new SmallNetwork(device, network, precision, initialScale: 256);
        var observer = new Recorder();
        for (int step = 0; step < 2; step++)
        {
            using (observer.Observe(seen.Model))
                seen.Backward(step);
            alone.Backward(step);
            seen.Step();
            alone.Step();
        }

        Assert.That(seen.Parameters(), Is.EqualTo(alone.Parameters()));
        Assert.That(observer.Activations, Is.Not.Empty);
    }

    [Test]
    public async Task It_is_in_force_in_its_flow_alone_and_over_await()
    {
        if (kind != DeviceKind.Cpu)
            Assert.Ignore("The flow is the host's.");
        using Device device = kind.Open();
        using Module model = new Sequential(new Linear(2, 1)).To(device);
        using Tensor input = Tensor.From(device, [1f, 4f], [1, 2]);
        var observer = new Recorder();
        Task before = Task.CompletedTask;
        using (ExecutionContext.SuppressFlow())
            before = Task.Run(() => model.Call(input));
        IDisposable observed = observer.Observe(model);
        await Task.Yield();
        await Task.Run(() => model.Call(input));
        int inFlow = observer.Activations.Count;
        Task elsewhere;
        using (ExecutionContext.SuppressFlow())
            elsewhere = Task.Run(() => model.Call(input));
        await Task.WhenAll(before, elsewhere);
        observed.Dispose();
        model.Call(input).Dispose();

        Assert.That((inFlow, observer.Activations.Count), Is.EqualTo((1, 1)));
    }

    [Test]
    public void What_it_was_shown_is_not_there_afterwards_and_its_exception_is_the_callers()
    {
        using Device device = kind.Open();
        using Module model = new Sequential(new Linear(2, 1)).To(device);
        using Tensor input = Tensor.From(device, [1f, 4f], [1, 2]);
        var observer = new Recorder { Fails = true };
        using TensorScope scope = TensorScope.Enter();
        using (observer.Observe(model))
            Assert.That(() => Ops.Sum(model.Call(input)).Backward(), Throws.InstanceOf<NotSupportedException>());

        Assert.That(observer.Last!.IsAlive, Is.False);
        Assert.That(() => Ops.Sum(model.Call(input)).Backward(), Throws.Nothing);
    }

    private sealed class Recorder : ModelObserver
    {
        public List<(string Name, float[] Values)> Activations { get; } = [];

        public List<(string Name, float[] Values)> Gradients { get; } = [];

        public List<(string Name, float[] Values)> Parameters { get; } = [];

        public List<(string Name, int Number)> Numbers { get; } = [];

        public bool Fails { get; init; }

        public Tensor? Last { get; private set; }

        public override void OnActivation(in Observation activation)
        {
            Last = activation.Values;
            Add(Activations, activation);
        }

        public override void OnGradient(in Observation gradient)
        {
            if (Fails)
                throw new NotSupportedException("an observer's own failure");
            Add(Gradients, gradient);
        }

        public override void OnParameterGradient(Parameter parameter, in Observation gradient) =>
            Parameters.Add((parameter.Name, gradient.Values.ToFloats()));

        private void Add(List<(string, float[])> list, in Observation seen)
        {
            list.Add(($"{seen.Module} ({seen.Operation})", seen.Values.ToFloats()));
            Numbers.Add(($"{seen.Module} ({seen.Operation})", seen.Number));
        }
    }
}
