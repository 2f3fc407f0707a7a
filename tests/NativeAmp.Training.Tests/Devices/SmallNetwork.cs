namespace NativeAmp.Training.Tests.Devices;

/// <summary>An MLP, a CNN and a GPT, each small and with its data, trained step by step.</summary>
internal sealed class SmallNetwork : IDisposable
{
    private const int Batches = 4;

    private readonly (Tensor Input, Tensor Targets)[] _batches;
    private readonly PrecisionPolicy _policy;

    public SmallNetwork(Device device, string name, string precision, float initialScale)
    {
        var random = new RandomGenerator(11);
        (Module model, _batches) = name switch
        {
            "mlp" => (
                new Sequential(
                    new Linear(12, 24, random: random),
                    new Gelu(),
                    new Dropout(0.1f, random),
                    new Linear(24, 4, random: random)
                ),
                Images(device, random, [6, 12], classes: 4)
            ),
            "cnn" => (
                new Sequential(
                    new Conv2d(1, 4, kernel: 3, padding: 1, random: random),
                    new BatchNorm2d(4),
                    new Relu(),
                    new MaxPool2d(2),
                    new Flatten(),
                    new Linear(64, 5, random: random)
                ),
                Images(device, random, [6, 1, 8, 8], classes: 5)
            ),
            "gpt" => (
                (Module)
                    Models.Gpt(
                        new GptOptions
                        {
                            Vocabulary = 7,
                            Context = 8,
                            Width = 16,
                            Heads = 2,
                            Blocks = 2,
                        },
                        random
                    ),
                Texts(device, random, rows: 4, length: 8, vocabulary: 7)
            ),
            _ => throw new ArgumentOutOfRangeException(nameof(name)),
        };
        Model = model.To(device);
        _policy = PrecisionPolicy.Float32.WithCompute(DTypes.Parse(precision));
        Optimizer = new FusedAdam(Model.Parameters(), new AdamOptions { LearningRate = 5e-3 });
        Scaler = new GradScaler(device, new GradScalerOptions { InitialScale = initialScale, GrowthInterval = 6 });
    }

    /// <summary>The names of the networks.</summary>
    public static string[] Names { get; } = ["mlp", "cnn", "gpt"];

    /// <summary>The precisions that they compute in.</summary>
    public static string[] Precisions { get; } = ["float32", "float16", "bfloat16"];

    public Module Model { get; }

    public FusedAdam Optimizer { get; }

    public GradScaler Scaler { get; }

    /// <summary>All parameters, one after the other.</summary>
    public float[] Parameters() => [.. Model.Parameters().SelectMany(parameter => parameter.ToFloats())];

    /// <summary>Forward and backward.</summary>
    /// <returns>The loss.</returns>
    public float Backward(int step)
    {
        (Tensor input, Tensor targets) = _batches[step % Batches];
        using (Autocast.Enter(_policy))
        {
            Tensor loss = Loss.CrossEntropy(Model.Forward(input), targets);
            Scaler.Scale(loss).Backward();
            return loss.Item();
        }
    }

    /// <summary>The optimizer's step, which ends a training step.</summary>
    public StepResult Step()
    {
        Optimizer.ClipGradNorm(1);
        StepResult result = Scaler.Step(Optimizer);
        Scaler.Update();
        Optimizer.ZeroGrad();
        return result;
    }

    public void Dispose()
    {
        Scaler.Dispose();
        Optimizer.Dispose();
        Model.Dispose();
        foreach ((Tensor input, Tensor targets) in _batches)
        {
            input.Dispose();
            targets.Dispose();
        }
    }

    private static (Tensor, Tensor)[] Images(Device device, RandomGenerator random, Shape shape, int classes) =>
        [
            .. Enumerable
                .Range(0, Batches)
                .Select(_ =>
                    (
                        Tensor.From(device, Initializers.Normal(1)(shape, random), shape),
                        Draw(device, random, [shape[0]], classes)
                    )
                ),
        ];

    private static (Tensor, Tensor)[] Texts(
        Device device,
        RandomGenerator random,
        int rows,
        int length,
        int vocabulary
    ) =>
        [
            .. Enumerable
                .Range(0, Batches)
                .Select(_ =>
                    (Draw(device, random, [rows, length], vocabulary), Draw(device, random, [rows, length], vocabulary))
                ),
        ];

    private static Tensor Draw(Device device, RandomGenerator random, Shape shape, int limit) =>
        Tensor.From(
            device,
            [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (int)(random.NextUInt32() % (uint)limit))],
            shape
        );
}
