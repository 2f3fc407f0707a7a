namespace NativeAmp.Training.Quantization;

/// <summary>Hooks in a layer's forward passes, which look at them or change them for a time.</summary>
internal sealed class LayerHooks
{
    /// <summary>Called with each input while a model is calibrated; else null.</summary>
    public Action<Tensor>? InputSeen { get; set; }

    /// <summary>Called with each output, after a fused activation, while layers are compared; else null.</summary>
    public Action<Tensor>? OutputSeen { get; set; }

    /// <summary>Rounds input and weight in quantisation-aware training; else null.</summary>
    public StraightThrough? Rounding { get; set; }
}

/// <summary>Hooks of layers that are taken off together.</summary>
internal sealed class LayerWatches : IDisposable
{
    private readonly List<Action> _undo = [];

    /// <summary>Has each input of a layer seen.</summary>
    public void Inputs(IQuantizable layer, Action<Tensor> seen)
    {
        layer.Hooks.InputSeen += seen;
        _undo.Add(() => layer.Hooks.InputSeen -= seen);
    }

    /// <summary>Has each output of a layer seen.</summary>
    public void Outputs(IQuantizable layer, Action<Tensor> seen)
    {
        layer.Hooks.OutputSeen += seen;
        _undo.Add(() => layer.Hooks.OutputSeen -= seen);
    }

    /// <summary>Takes the hooks off.</summary>
    public void Dispose()
    {
        foreach (Action undo in _undo)
            undo();
        _undo.Clear();
    }
}
