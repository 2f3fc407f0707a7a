using NativeAmp.Training;

namespace NativeAmp.Cli.Bench;

/// <summary>
/// A GPT's training step, AdamW with clipping and the loss scale, over the same tokens each time.
/// </summary>
internal sealed class GptStep : IDisposable
{
    private readonly Gpt _model;
    private readonly FusedAdam _optimizer;
    private readonly GradScaler _scaler;
    private readonly Tensor _tokens;
    private readonly PrecisionPolicy _policy;
    private readonly CapturedStep? _captured;

    /// <summary>A model of a shape, and what trains it.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="isGraph">Whether the step is captured, and then launched as a graph.</param>
    public GptStep(Device device, GptShape shape, bool isGraph)
    {
        _model = new Gpt(shape.Options, new RandomGenerator(1)).To(device);
        _optimizer = new FusedAdam(_model.Parameters(), new AdamOptions { LearningRate = 1e-4f });
        _scaler = new GradScaler(device);
        _tokens = GptOperator.TokensOf(device, shape);
        _policy = PrecisionPolicy.Float32.WithCompute(shape.DType);
        _captured = isGraph ? new CapturedStep(device, Step) : null;
    }

    /// <summary>Calls until a step is like all that follow: the first allocate, and the third captures.</summary>
    public const int CallsBefore = 4;

    /// <summary>Numbers that are trained.</summary>
    public long Parameters => _model.Parameters().Sum(parameter => parameter.Count);

    /// <summary>Does a step.</summary>
    public void Run()
    {
        using TensorScope scope = TensorScope.Enter();
        if (_captured is null)
            Step();
        else
            _captured.Run();
    }

    public void Dispose()
    {
        _captured?.Dispose();
        _tokens.Dispose();
        _scaler.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    private Tensor Step()
    {
        Tensor loss;
        using (Autocast.Enter(_policy))
        {
            loss = _model.ClassLoss(_tokens, _tokens);
            _scaler.Scale(loss).Backward();
        }

        _optimizer.ClipGradNorm(1);
        _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
        return loss;
    }
}
