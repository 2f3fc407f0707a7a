namespace NativeAmp.Training.Tests.Modules;

/// <summary>Names, states and the ready-made models.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ModuleTests(DeviceKind kind)
{
    [Test]
    public void The_CNN_s_state_has_PyTorch_s_names_and_shapes()
    {
        using Sequential model = Models.Cnn(new RandomGenerator(1));
        string[] state = [.. model.State().Select(entry => $"{entry.Name} {entry.Values.Shape}")];
        Assert.That(
            state,
            Is.EqualTo(
                new[]
                {
                    "0.weight [32, 1, 3, 3]",
                    "0.bias [32]",
                    "3.weight [64, 32, 3, 3]",
                    "3.bias [64]",
                    "7.weight [128, 3136]",
                    "7.bias [128]",
                    "9.weight [10, 128]",
                    "9.bias [10]",
                }
            )
        );
        Assert.That(
            model.Parameters().Select(parameter => parameter.Name),
            Is.EqualTo(model.State().Select(entry => entry.Name))
        );
    }

    [Test]
    public void Buffers_belong_to_the_state_and_not_to_the_parameters()
    {
        using var model = new Sequential(new BatchNorm2d(3), new Relu());
        Assert.That(model.Parameters().Select(parameter => parameter.Name), Is.EqualTo(new[] { "0.weight", "0.bias" }));
        Assert.That(
            model.NamedBuffers().Select(buffer => buffer.Name),
            Is.EqualTo(new[] { "0.running_mean", "0.running_var" })
        );
        Assert.That(model.State().Count(), Is.EqualTo(4));
    }

    [Test]
    public void The_default_GPT_has_the_size_that_its_dimensions_make()
    {
        using Gpt model = Models.Gpt(random: new RandomGenerator(1));
        const long width = 256;
        long block = 12 * width * width + 13 * width;
        Assert.That(model.ParameterCount(), Is.EqualTo(256 * width + 128 * width + 4 * block + 2 * width));
    }

    [Test]
    public void A_parameter_keeps_its_full_name_when_a_part_of_the_model_is_asked()
    {
        using var model = new Sequential(new Sequential(new Linear(2, 2)), new Linear(2, 2));
        Assert.That(model[0].Parameters()[0].Name, Is.EqualTo("0.weight"));
        Assert.That(model.Parameters()[0].Name, Is.EqualTo("0.0.weight"));
        Assert.That(model[0].Parameters()[0].Name, Is.EqualTo("0.0.weight"));
    }

    [Test]
    public void A_module_that_is_on_no_device_says_so()
    {
        using Device device = kind.Open();
        using var linear = new Linear(2, 2);
        using Tensor x = Tensor.From(device, [1f, 2], [1, 2]);
        Assert.That(() => linear.Forward(x), Throws.InvalidOperationException.With.Message.Contains("To(device)"));
    }

    [Test]
    public void A_disposed_module_says_so()
    {
        using Device device = kind.Open();
        var linear = new Linear(2, 2);
        linear.Dispose();
        Assert.That(() => linear.To(device), Throws.TypeOf<ObjectDisposedException>());
        var moved = new Linear(2, 2).To(device);
        using Tensor x = Tensor.From(device, [1f, 2], [1, 2]);
        Tensor loss = Ops.Sum(moved.Forward(x));
        moved.Dispose();
        Assert.That(() => moved.To(device), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => moved.Forward(x), Throws.TypeOf<ObjectDisposedException>());
        loss.Dispose();
        Assert.That(() => loss.Backward(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Values_survive_the_move_to_a_device()
    {
        using Device device = kind.Open();
        using var linear = new Linear(3, 2, random: new RandomGenerator(5));
        float[] before = linear.Weight.ToFloats();
        linear.To(device);
        Assert.That(linear.Weight.ToFloats(), Is.EqualTo(before));
        Assert.That(linear.Weight.Device, Is.SameAs(device));
    }

    [Test]
    public void The_same_seed_gives_the_same_model()
    {
        using var one = new Linear(3, 2, random: new RandomGenerator(5));
        using var same = new Linear(3, 2, random: new RandomGenerator(5));
        using var other = new Linear(3, 2, random: new RandomGenerator(6));
        Assert.That(one.Weight.ToFloats(), Is.EqualTo(same.Weight.ToFloats()));
        Assert.That(one.Weight.ToFloats(), Is.Not.EqualTo(other.Weight.ToFloats()));
    }

    [Test]
    public void A_layer_and_its_activation_in_one_pass_are_the_two_passes()
    {
        using Device device = kind.Open();
        using Sequential model = new Sequential(
            new Conv2d(2, 3, kernel: 3, random: new RandomGenerator(1)),
            new Relu(),
            new Flatten(),
            new Linear(27, 5, random: new RandomGenerator(2)),
            new Gelu()
        ).To(device);
        float[] values = Initializers.Normal(1)([2, 2, 5, 5], new RandomGenerator(3));
        using Tensor x = Tensor.From(device, values, [2, 2, 5, 5]);
        x.RequiresGrad = true;
        Tensor fused = model.Forward(x);
        float[] fusedOutput = fused.ToFloats();
        Ops.Sum(fused).Backward();
        float[] fusedGradient = x.Gradient!.ToFloats();
        float[] fusedWeightGradient = model.Parameters()[0].Gradient!.ToFloats();

        x.ZeroGrad();
        model.ZeroGrad();
        Tensor current = x;
        for (int i = 0; i < model.Count; i++)
            current = model[i].Forward(current);
        Assert.That(current.ToFloats(), Is.EqualTo(fusedOutput).Within(1e-5f));
        Ops.Sum(current).Backward();
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(fusedGradient).Within(1e-5f));
        Assert.That(model.Parameters()[0].Gradient!.ToFloats(), Is.EqualTo(fusedWeightGradient).Within(1e-4f));
    }

    [Test]
    public void Batch_norm_in_use_normalizes_with_the_running_statistics()
    {
        using Device device = kind.Open();
        using BatchNorm2d norm = new BatchNorm2d(1, epsilon: 0).To(device);
        norm.RunningMean.CopyFrom<float>([2]);
        norm.RunningVariance.CopyFrom<float>([16]);
        norm.Eval();
        using Tensor x = Tensor.From(device, [2f, 6, 10, -2], [4, 1, 1, 1]);
        using (NoGrad.Enter())
            Assert.That(norm.Forward(x).ToFloats(), Is.EqualTo(new float[] { 0, 1, 2, -1 }).Within(1e-6f));
        Assert.That(norm.RunningMean.ToFloats(), Is.EqualTo(new float[] { 2 }));
    }

    [Test]
    public void A_GPT_sees_only_what_came_before()
    {
        using Device device = kind.Open();
        using Gpt model = SmallGpt().To(device);
        float[] logits = Logits([1, 2, 3, 4]);
        float[] changed = Logits([1, 2, 3, 0]);
        int unchanged = 3 * model.Options.Vocabulary;
        Assert.That(changed[..unchanged], Is.EqualTo(logits[..unchanged]));
        Assert.That(changed[unchanged..], Is.Not.EqualTo(logits[unchanged..]));
        // A shorter sequence is the beginning of a longer one; the order of sums may differ.
        Assert.That(Logits([1, 2]), Is.EqualTo(logits[..(2 * model.Options.Vocabulary)]).Within(1e-4f));

        float[] Logits(int[] tokens)
        {
            using (NoGrad.Enter())
            using (Tensor input = Tensor.From(device, tokens, [1, tokens.Length]))
                return model.Forward(input).ToFloats();
        }
    }

    [TestCase("float32")]
    [TestCase("float16")]
    [TestCase("bfloat16")]
    public void A_small_GPT_learns_a_sequence_by_heart(string precision)
    {
        using Device device = kind.Open();
        using Gpt model = SmallGpt().To(device);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-2 });
        using var scaler = new GradScaler(device);
        using Tensor tokens = Tensor.From(device, [0, 1, 2, 3, 4, 4, 3, 2], [2, 4]);
        using Tensor next = Tensor.From(device, [1, 2, 3, 4, 3, 2, 1, 0], [2, 4]);
        PrecisionPolicy policy = PrecisionPolicy.Float32.WithCompute(DTypes.Parse(precision));
        float loss = float.PositiveInfinity;
        for (int step = 0; step < 60 && loss >= 0.1f; step++)
        {
            using (Autocast.Enter(policy))
            {
                Tensor value = Loss.CrossEntropy(model.Forward(tokens), next);
                scaler.Scale(value).Backward();
                loss = value.Item();
            }

            scaler.Step(optimizer);
            scaler.Update();
            optimizer.ZeroGrad();
        }

        Assert.That(loss, Is.LessThan(0.1f));
    }

    [Test]
    public void An_initializer_draws_every_matrix_of_a_gpt()
    {
        var options = new GptOptions
        {
            Width = 8,
            Heads = 2,
            Blocks = 1,
        };
        using var model = new Gpt(options, initializer: Initializers.Constant(3));
        Parameter[] matrices = [.. model.Parameters().Where(parameter => parameter.Shape.Rank == 2)];
        Assert.That(matrices, Has.Length.EqualTo(6));
        foreach (Parameter matrix in matrices)
            Assert.That(matrix.ToArray<float>(), Has.All.EqualTo(3), matrix.Name);
    }

    [Test]
    public void Names_that_clash_or_hold_a_dot_are_refused()
    {
        Assert.That(() => new Clashing("a", "a"), Throws.ArgumentException.With.Message.Contains("'a'"));
        Assert.That(() => new Clashing("a.b", "c"), Throws.ArgumentException.With.Message.Contains("dot"));
    }

    private static Gpt SmallGpt() =>
        Models.Gpt(
            new GptOptions
            {
                Vocabulary = 5,
                Context = 4,
                Width = 16,
                Heads = 2,
                Blocks = 2,
            },
            new RandomGenerator(7)
        );

    private sealed class Clashing : Module
    {
        public Clashing(string first, string second)
        {
            Register(first, Create([1], Initializers.Constant(0)));
            Register(second, Create([1], Initializers.Constant(0)));
        }

        public override Tensor Forward(Tensor input) => input;
    }
}
