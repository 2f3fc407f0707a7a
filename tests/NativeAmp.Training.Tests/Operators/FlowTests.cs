using System.Runtime.CompilerServices;

namespace NativeAmp.Training.Tests.Operators;

/// <summary>
/// Every operator, loss and module in several threads, and over awaits: the same results as in one thread.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class FlowTests(DeviceKind kind)
{
    private const int Threads = 4;

    private static readonly PrecisionPolicy[] Precisions =
    [
        PrecisionPolicy.Float16,
        PrecisionPolicy.BFloat16,
        PrecisionPolicy.Float32,
    ];

    [Test]
    public void Two_threads_and_more_infer_with_one_model()
    {
        using Device device = kind.Open();
        foreach (OperatorCase operation in OperatorCatalogue.Of(4).Where(operation => !Draws(operation)))
        {
            using var inputs = new OperatorInputs(operation, device);
            inputs.Module?.Eval();
            float[] expected = Infer(operation, inputs);
            float[][] results = InThreads(_ => Infer(operation, inputs));
            Assert.That(results, Has.All.EqualTo(expected), operation.Name);
        }
    }

    [Test]
    public void Threads_train_models_of_their_own_on_one_device()
    {
        using Device device = kind.Open();
        foreach (OperatorCase operation in OperatorCatalogue.Of(4))
        {
            float[]?[] expected = Train(operation, device);
            float[]?[][] results = InThreads(_ => Train(operation, device));
            Assert.That(results, Has.All.EqualTo(expected), operation.Name);
        }
    }

    [Test]
    public void Threads_infer_in_precisions_of_their_own_with_one_model()
    {
        using Device device = kind.Open();
        using Sequential model = Pair(device);
        using Tensor x = Tensor.From(device, [0.5f, -1, 0.25f, 2], [1, 4]);
        float[][] expected = [.. Precisions.Select(Infer)];
        InThreads(thread =>
        {
            for (int i = 0; i < 100; i++)
            {
                int precision = (thread + i) % Precisions.Length;
                Assert.That(Infer(Precisions[precision]), Is.EqualTo(expected[precision]));
            }

            return 0;
        });

        float[] Infer(PrecisionPolicy precision)
        {
            using NoGrad noGrad = NoGrad.Enter();
            using AutocastScope autocast = Autocast.Enter(precision);
            return model.Forward(x).ToFloats();
        }
    }

    [Test]
    public void A_model_trains_with_the_same_bits_while_others_infer_in_other_precisions()
    {
        using Device device = kind.Open();
        Assert.That(Trained(inferring: true), Is.EqualTo(Trained(inferring: false)));

        float[] Trained(bool inferring)
        {
            using Sequential model = Pair(device);
            using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 0.1 });
            using Tensor x = Tensor.From(device, [0.5f, -1, 0.25f, 2], [1, 4]);
            bool isOver = false;
            InThreads(thread =>
            {
                using AutocastScope autocast = Autocast.Enter(Precisions[thread % Precisions.Length]);
                while (thread > 0 && inferring && !Volatile.Read(ref isOver))
                {
                    using NoGrad noGrad = NoGrad.Enter();
                    Ops.Sum(model.Forward(x)).Item();
                }

                try
                {
                    for (int step = 0; thread == 0 && step < 30; step++)
                    {
                        using TensorScope scope = TensorScope.Enter();
                        Ops.Sum(model.Forward(x)).Backward();
                        optimizer.Step();
                        optimizer.ZeroGrad();
                    }
                }
                finally
                {
                    Volatile.Write(ref isOver, true);
                }

                return 0;
            });
            return [.. model.Parameters().SelectMany(parameter => parameter.ToFloats())];
        }
    }

    [Test]
    public void Threads_add_their_gradients_to_one_model()
    {
        using Device device = kind.Open();
        using var model = new Sequential(new Linear(3, 2, initializer: Initializers.Constant(0.5f)), new Relu()).To(
            device
        );
        InThreads(thread =>
        {
            for (int i = 0; i < 50; i++)
            {
                using TensorScope scope = TensorScope.Enter();
                using Tensor x = Tensor.From(device, [1f, 2, thread], [1, 3]);
                using (Autocast.Enter(PrecisionPolicy.Float16))
                    Ops.Sum(model.Forward(x)).Backward();
            }

            return 0;
        });
        // Sums of small integers, exact in float32 in every order.
        float third = 50 * Enumerable.Range(0, Threads).Sum();
        float[] row = [50 * Threads, 100 * Threads, third];
        Assert.That(model.Parameters()[0].Gradient!.ToFloats(), Is.EqualTo((float[])[.. row, .. row]));
    }

    [Test]
    public async Task A_graph_goes_on_after_an_await_on_whatever_thread()
    {
        using Device device = kind.Open();
        foreach (OperatorCase operation in OperatorCatalogue.Of(4))
        {
            float[]?[] expected = Train(operation, device);
            Assert.That(await TrainAsync(operation, device), Is.EqualTo(expected), operation.Name);
        }
    }

    [Test]
    public async Task Policy_NoGrad_and_scope_follow_the_flow_and_stay_with_it()
    {
        using Device device = kind.Open();
        using Tensor x = Tensor.From(device, [1f, 2], [1, 2]);
        x.RequiresGrad = true;
        Tensor made;
        using (NoGrad.Enter())
        using (Autocast.Enter(PrecisionPolicy.BFloat16))
        {
            int before = Environment.CurrentManagedThreadId;
            await default(ThreadSwitch);
            Assert.That(Environment.CurrentManagedThreadId, Is.Not.EqualTo(before));
            Assert.That(GradMode.IsEnabled, Is.False);
            Assert.That(Autocast.Current, Is.EqualTo(PrecisionPolicy.BFloat16));
            made = x * 2;
            // A thread that this flow did not start does not see its state.
            using (ExecutionContext.SuppressFlow())
            {
                (bool, bool) elsewhere = Task.Run(() => (GradMode.IsEnabled, Autocast.IsEnabled))
                    .GetAwaiter()
                    .GetResult();
                Assert.That(elsewhere, Is.EqualTo((true, false)));
            }
        }

        Assert.That(made.RequiresGrad, Is.False);
        Assert.That(made.IsAlive, Is.False);
        Assert.That((GradMode.IsEnabled, Autocast.IsEnabled), Is.EqualTo((true, false)));
    }

    [Test]
    public async Task A_scope_that_a_called_method_opened_and_left_open_does_not_reach_its_caller()
    {
        using Device device = kind.Open();
        TensorScope? left = null;
        await Open();
        Assert.That(GradMode.IsEnabled, Is.True);
        Assert.That(() => left!.Dispose(), Throws.InvalidOperationException.With.Message.Contains("another flow"));

        async Task Open()
        {
            left = NoGrad.Enter();
            await Task.Yield();
        }
    }

    private static bool Draws(OperatorCase operation) => operation.Name.StartsWith("Dropout", StringComparison.Ordinal);

    private static Sequential Pair(Device device)
    {
        var random = new RandomGenerator(3);
        return new Sequential(new Linear(4, 8, random: random), new Tanh(), new Linear(8, 2, random: random)).To(
            device
        );
    }

    private static T[] InThreads<T>(Func<int, T> body)
    {
        var results = new T[Threads];
        var errors = new Exception?[Threads];
        using var start = new Barrier(Threads);
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, Threads)
                .Select(index => new Thread(() =>
                {
                    try
                    {
                        start.SignalAndWait();
                        results[index] = body(index);
                    }
                    catch (Exception e)
                    {
                        errors[index] = e;
                    }
                })),
        ];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        Assert.That(errors, Has.All.Null);
        return results;
    }

    private static float[] Infer(OperatorCase operation, OperatorInputs inputs)
    {
        using NoGrad noGrad = NoGrad.Enter();
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float16);
        Tensor output = operation.Apply(inputs);
        return output.DType == DType.Int32
            ? [.. output.ToArray<int>().Select(value => (float)value)]
            : output.ToFloats();
    }

    private static float[]?[] Train(OperatorCase operation, Device device)
    {
        using TensorScope scope = TensorScope.Enter();
        using var inputs = new OperatorInputs(operation, device);
        GoBack(Forward(operation, inputs), device);
        return [.. inputs.Leaves.Select(leaf => leaf.Gradient?.ToFloats())];
    }

    private static async Task<float[]?[]> TrainAsync(OperatorCase operation, Device device)
    {
        using var inputs = new OperatorInputs(operation, device);
        Tensor output = Forward(operation, inputs);
        await default(ThreadSwitch);
        GoBack(output, device);
        return [.. inputs.Leaves.Select(leaf => leaf.Gradient?.ToFloats())];
    }

    private static Tensor Forward(OperatorCase operation, OperatorInputs inputs)
    {
        using (Autocast.Enter(PrecisionPolicy.Float16))
            return operation.Apply(inputs);
    }

    private static void GoBack(Tensor output, Device device)
    {
        if (!output.RequiresGrad)
            return;
        using Tensor seed = Tensor.From(
            device,
            Initializers.Normal(1)(output.Shape, new RandomGenerator(9)),
            output.Shape
        );
        output.Backward(seed);
    }

    /// <summary>Continues in a new thread.</summary>
    private readonly struct ThreadSwitch : INotifyCompletion
    {
        public bool IsCompleted => false;

        public ThreadSwitch GetAwaiter() => this;

        public void OnCompleted(Action continuation) => new Thread(() => continuation()).Start();

        public void GetResult() { }
    }
}
