using NativeAmp.Training;

namespace NativeAmp.Benchmarks;

/// <summary>
/// A whole training step of one of the command's networks over made-up data: forward, scaled backward, check, AdamW.
/// </summary>
internal sealed class TrainingStep : IDisposable
{
    private readonly Module _model;
    private readonly FusedAdam _optimizer;
    private readonly GradScaler _scaler;
    private readonly PrecisionPolicy _policy;
    private readonly Tensor _inputs;
    private readonly Tensor _labels;

    public TrainingStep(Device device, string model, DType compute)
    {
        var random = new RandomGenerator(1);
        var draw = new Random(1);
        int batch =
            Scenario.Smoke ? 1
            : model == "gpt" ? 16
            : 128;
        if (model == "gpt")
        {
            var options = new GptOptions { Context = Scenario.Smoke ? 8 : 128 };
            _model = Models.Gpt(options, random).To(device);
            _inputs = Tensor.From(device, Labels(batch * options.Context, 256), [batch, options.Context]);
            _labels = Tensor.From(device, Labels(batch * options.Context, 256), [batch, options.Context]);
        }
        else
        {
            _model = (model == "mlp" ? Models.Mlp(random) : Models.Cnn(random)).To(device);
            _inputs = Tensor.From(device, Initializers.Normal(1)([batch, 1, 28, 28], random), [batch, 1, 28, 28]);
            _labels = Tensor.From(device, Labels(batch, 10), [batch]);
        }
        _policy = PrecisionPolicy.Float32.WithCompute(compute);
        _optimizer = new FusedAdam(_model.Parameters(), new AdamOptions());
        _scaler = new GradScaler(
            device,
            _policy.NeedsLossScale ? GradScalerOptions.PyTorch : GradScalerOptions.Disabled
        );

        int[] Labels(int count, int classes) => [.. Enumerable.Range(0, count).Select(_ => draw.Next(classes))];
    }

    public void Run()
    {
        using (Autocast.Enter(_policy))
            _scaler.Scale(Loss.CrossEntropy(_model.Forward(_inputs), _labels)).Backward();
        _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
    }

    public void Dispose()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
        _inputs.Dispose();
        _labels.Dispose();
    }
}
