using System.Diagnostics.Metrics;
using NativeAmp.Training;

namespace NativeAmp.Extensions;

/// <summary>The instruments of runs, named and with units as OpenTelemetry's conventions say.</summary>
internal sealed class TrainingMeter
{
    private const string Outcome = "nativeamp.step.outcome";
    private const string Kind = "nativeamp.device.memory.kind";

    private readonly Histogram<double> _duration;
    private readonly Counter<long> _steps;
    private readonly Counter<long> _samples;
    private readonly Gauge<double> _loss;
    private readonly Gauge<double> _scale;
    private readonly Gauge<double> _norm;
    private readonly Gauge<double> _rate;

    public TrainingMeter(Meter meter, Device device)
    {
        _duration = meter.CreateHistogram<double>(
            "nativeamp.training.step.duration",
            "s",
            "Duration of training steps, without checkpoints and tests."
        );
        _steps = meter.CreateCounter<long>("nativeamp.training.steps", "{step}", "Training steps by outcome.");
        _samples = meter.CreateCounter<long>("nativeamp.training.samples", "{sample}", "Samples of training steps.");
        _loss = meter.CreateGauge<double>("nativeamp.training.loss", "1", "Mean loss of the last step, unscaled.");
        _scale = meter.CreateGauge<double>("nativeamp.training.loss_scale", "1", "Loss scale of the last step.");
        _norm = meter.CreateGauge<double>(
            "nativeamp.training.gradient_norm",
            "1",
            "Global L2 norm of the last step's unscaled gradients, before clipping."
        );
        _rate = meter.CreateGauge<double>("nativeamp.training.learning_rate", "1", "Learning rate of the last step.");
        meter.CreateObservableUpDownCounter(
            "nativeamp.device.memory.usage",
            () => Usage(device),
            "By",
            "Bytes of device memory in use by kind."
        );
    }

    public void Add(in StepReport step)
    {
        _duration.Record(step.Milliseconds / 1000);
        _steps.Add(1, new KeyValuePair<string, object?>(Outcome, step.Skipped ? "skipped" : "applied"));
        _samples.Add(step.Samples);
        _loss.Record(step.Loss);
        _scale.Record(step.Scale);
        _norm.Record(step.GradientNorm);
        _rate.Record(step.LearningRate);
    }

    private static IEnumerable<Measurement<long>> Usage(Device device)
    {
        try
        {
            DeviceMemoryStatistics memory = device.MemoryStatistics;
            return DeviceMemoryStatistics.Kinds.Select(kind => new Measurement<long>(
                memory.LiveBytes(kind),
                new KeyValuePair<string, object?>(Kind, kind.ToString())
            ));
        }
        catch (ObjectDisposedException)
        {
            return []; // the host is stopping
        }
    }
}
