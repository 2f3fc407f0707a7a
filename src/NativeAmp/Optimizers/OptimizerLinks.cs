namespace NativeAmp;

/// <summary>A parameter that wants to know what optimizers did with it.</summary>
internal interface ITrackedParameter : IParameter
{
    /// <summary>The optimizers that the parameter belongs to.</summary>
    OptimizerLinks Optimizers { get; }

    /// <summary>
    /// Whether there is a gradient, and it began after optimizers last unscaled or stepped with the one before.
    /// </summary>
    bool HasNewGradient { get; }

    /// <summary>Makes the gradient, if there is one, float32.</summary>
    void WidenGradient();
}

/// <summary>What one optimizer shows its parameters, without calling each of them in each step.</summary>
internal sealed class OptimizerLink(FusedOptimizer optimizer, IParameter[] parameters)
{
    /// <summary>
    /// How often the optimizer has written each parameter (or has left it alone in a step that was skipped).
    /// </summary>
    public long[] Writes { get; } = new long[parameters.Length];

    /// <summary>What became of the gradients.</summary>
    public CheckedGradients Gradients { get; } = new(parameters);

    /// <summary>Unscales all gradients of the optimizer in float32, for somebody who looks at one.</summary>
    public void ShowUnscaled()
    {
        if (Gradients.AreScaled)
            optimizer.UnscaleInFloat32();
    }
}

/// <summary>The optimizers of one parameter, nearly always one.</summary>
internal sealed class OptimizerLinks
{
    private (OptimizerLink Link, int Index)[] _links = [];
    private long _earlierWrites;
    private long _earlierMarks;

    /// <summary>Whether an optimizer holds the parameter now.</summary>
    public bool Any => _links.Length > 0;

    /// <summary>How often an optimizer has written the parameter.</summary>
    public long Writes
    {
        get
        {
            long sum = _earlierWrites;
            foreach (var (link, index) in _links)
                sum += link.Writes[index];
            return sum;
        }
    }

    /// <summary>How often an optimizer unscaled its gradients or stepped with them through a scaler.</summary>
    public long Marks
    {
        get
        {
            long sum = _earlierMarks;
            foreach (var (link, _) in _links)
                sum += link.Gradients.Marks;
            return sum;
        }
    }

    /// <summary>Adds an optimizer, to which the parameter is known by an index.</summary>
    public void Attach(OptimizerLink link, int index) => _links = [.. _links, (link, index)];

    /// <summary>Forgets an optimizer, but not what it did.</summary>
    public void Detach(OptimizerLink link)
    {
        foreach (var (other, index) in _links)
        {
            if (other != link)
                continue;
            _earlierWrites += link.Writes[index];
            _earlierMarks += link.Gradients.Marks;
        }
        _links = [.. _links.Where(other => other.Link != link)];
    }

    /// <summary>Before somebody looks at the parameter's gradient: it is unscaled where its optimizer's was.</summary>
    public void ShowUnscaled()
    {
        foreach (var (link, _) in _links)
            link.ShowUnscaled();
    }
}
