namespace NativeAmp.Training.Tests.Devices;

/// <summary>
/// A loop of one's own over a small GPT with dropout: a scale that begins too large, a schedule, clipping. Its inputs
/// are two tensors that every step writes. The same steps can be taken captured or not.
/// </summary>
internal sealed class CapturedLoop : IDisposable
{
    private const int Rows = 2;
    private const int Length = 4;
    private const int Vocabulary = 7;

    private readonly Tensor _input;
    private readonly Tensor _targets;

    public CapturedLoop(Device device, Action? within = null)
    {
        Device = device;
        Random = new RandomGenerator(11);
        Model = Models
            .Gpt(
                new GptOptions
                {
                    Vocabulary = Vocabulary,
                    Context = Length,
                    Width = 8,
                    Heads = 2,
                    Blocks = 1,
                    Dropout = 0.2f,
                },
                Random
            )
            .To(device);
        Optimizer = new FusedAdam(Model.Parameters(), new AdamOptions { LearningRate = 1e-2 })
        {
            Scheduler = LearningRateSchedule.LinearWarmup(10, LearningRateSchedule.Cosine(30)),
        };
        // The first steps overflow; each five that do not, the scale grows again.
        Scaler = new GradScaler(device, new GradScalerOptions { InitialScale = 1L << 27, GrowthInterval = 5 });
        _input = Tensor.Empty(device, DType.Int32, [Rows, Length]);
        _targets = Tensor.Empty(device, DType.Int32, [Rows, Length]);
        Step = new CapturedStep(
            device,
            () =>
            {
                Tensor loss = Take(_input, _targets);
                within?.Invoke();
                return loss;
            }
        );
    }

    public Device Device { get; }

    public RandomGenerator Random { get; }

    public Module Model { get; }

    public FusedAdam Optimizer { get; }

    public GradScaler Scaler { get; }

    public CapturedStep Step { get; }

    /// <summary>The losses and outcomes of the steps.</summary>
    public List<(float Loss, StepOutcome Outcome)> Steps { get; } = [];

    /// <summary>Everything that a step changes: parameters, moments, step counts, the scale, and the
    /// generator.</summary>
    public string State()
    {
        OptimizerSnapshot snapshot = Optimizer.SaveState();
        return string.Join(
            '\n',
            [
                .. Model.Parameters().Select(parameter => Bits(parameter.ToFloats())),
                .. snapshot.Parameters.Select(parameter =>
                    $"{parameter.Step} {string.Join(' ', parameter.State.Values.Select(Bits))}"
                ),
                $"{snapshot.Step} {Scaler.SaveState()} {Random.State}",
            ]
        );
    }

    /// <summary>Steps through the object, captured as soon as it may be.</summary>
    public void RunCaptured(int first, int count, bool reads = true)
    {
        for (int i = first; i < first + count; i++)
        {
            Write(i);
            Tensor loss = Step.Run();
            if (reads)
                Steps.Add((loss.Item(), Optimizer.LastStep.Read()));
        }
    }

    /// <summary>The same steps as calls.</summary>
    public void Run(int first, int count)
    {
        for (int i = first; i < first + count; i++)
        {
            Write(i);
            using TensorScope scope = TensorScope.Enter();
            Tensor loss = Take(_input, _targets);
            Steps.Add((loss.Item(), Optimizer.LastStep.Read()));
        }
    }

    /// <summary>A step over fewer rows.</summary>
    public void RunSmall(int index)
    {
        using Tensor input = Tensor.From(Device, Tokens(index, 1), [1, Length]);
        using Tensor targets = Tensor.From(Device, Tokens(index + 1, 1), [1, Length]);
        using TensorScope scope = TensorScope.Enter();
        Take(input, targets);
    }

    /// <summary>The loss of an evaluation.</summary>
    public float Evaluate()
    {
        using var none = NoGrad.Enter();
        Model.Eval();
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float16);
        float loss = Loss.CrossEntropy(Model.Call(_input), _targets).Item();
        Model.Train();
        return loss;
    }

    public void Write(int index)
    {
        _input.CopyFrom<int>(Tokens(index, Rows));
        _targets.CopyFrom<int>(Tokens(index + 1, Rows));
    }

    public void Dispose()
    {
        Step.Dispose();
        Scaler.Dispose();
        Optimizer.Dispose();
        Model.Dispose();
        _input.Dispose();
        _targets.Dispose();
    }

    private Tensor Take(Tensor input, Tensor targets)
    {
        Tensor loss;
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            loss = Loss.CrossEntropy(Model.Call(input), targets);
            Scaler.Scale(loss).Backward();
        }

        Optimizer.ClipGradNorm(0.5f);
        Scaler.Step(Optimizer);
        Scaler.Update();
        Optimizer.ZeroGrad();
        return loss;
    }

    private static int[] Tokens(int index, int rows) =>
        [.. Enumerable.Range(0, rows * Length).Select(i => (i * i + 3 * index) % Vocabulary)];

    private static string Bits(float[] values) =>
        string.Join(' ', values.Select(value => BitConverter.SingleToUInt32Bits(value).ToString("x8", null)));
}
