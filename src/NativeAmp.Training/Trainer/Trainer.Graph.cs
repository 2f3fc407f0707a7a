using NativeAmp.Training.Data;

namespace NativeAmp.Training;

// Steps as launches of a graph.
public sealed partial class Trainer
{
    private CapturedStep? _captured;
    private bool[] _capturedFlags = [];

    /// <summary>
    /// Why the steps are not captured as a graph, in a sentence; null if they are, or will be once the first ones were
    /// taken (<see cref="TrainerOptions.CaptureSteps"/>).
    /// </summary>
    public string? NotCaptured { get; private set; }

    private void PrepareCapture()
    {
        NotCaptured = WhyNotCaptured();
        if (NotCaptured is null)
            _captured = new CapturedStep(_device, CapturedWork);
    }

    private string? WhyNotCaptured() =>
        _device.IsHostMemory ? "The CPU has no graphs."
        : _options.CaptureSteps == false ? $"{nameof(TrainerOptions.CaptureSteps)} is false."
        : _options.AccumulateBatches > 1 ? $"A step has several batches ({nameof(TrainerOptions.AccumulateBatches)})."
        : _probe is not null ? "An inspector looks at each step."
        : _options.OnNonFiniteLoss == NonFiniteLoss.Skip
            ? "The host reads each loss before the backward pass (NonFiniteLoss.Skip)."
        : _options.CaptureSteps is null && _options.Loss is not null
            ? $"The loss is not the library's own, and might change from step to step; set "
                + $"{nameof(TrainerOptions.CaptureSteps)} if it does not."
        : _options.CaptureSteps is null && ForeignModule(_model) is { } foreign
            ? $"The module {foreign.GetType().Name} is not the library's own, and might do something else in each "
                + $"step; set {nameof(TrainerOptions.CaptureSteps)} if it does not."
        : null;

    private static Module? ForeignModule(Module module) =>
        module.GetType().Assembly != typeof(Module).Assembly
            ? module
            : module.Children().Select(ForeignModule).FirstOrDefault(foreign => foreign is not null);

    private Tensor CapturedWork()
    {
        Tensor loss;
        using (Autocast.Enter(_options.Precision))
        {
            loss = LossOf(_tensors);
            _scaler.Scale(loss).Backward();
        }

        StepOptimizer();
        return loss;
    }

    /// <summary>Takes the step as a launch, or as one of the calls before the capture.</summary>
    /// <returns>The loss; null if the step is to be taken as calls.</returns>
    private Tensor? StepCaptured(Batch batch)
    {
        if (_captured is null || batch.Count != _options.Batch)
            return null;
        bool[] flags = Flags();
        if (_captured.IsCaptured && (!flags.AsSpan().SequenceEqual(_capturedFlags) || _captured.Outdated is not null))
            _captured.Release();
        _capturedFlags = flags;
        _tensors.Write(batch);
        try
        {
            return _captured.Run();
        }
        catch (GraphCaptureException refused)
        {
            NotCaptured = refused.Message;
            _captured.Dispose();
            _captured = null;
            return null;
        }
    }

    /// <summary>The parts of a model that handlers of events may change between steps.</summary>
    private bool[] Flags() =>
        [
            .. _model.Parameters().Select(parameter => parameter.RequiresGrad),
            .. EvaluationMode.Of(_model).Select(each => each.IsTraining),
        ];

    /// <summary>Gives the memory of the graph to others, such as a test; it is captured anew.</summary>
    private void ReleaseCaptured()
    {
        if (_captured is { IsCaptured: true })
            _captured.Release();
    }
}
