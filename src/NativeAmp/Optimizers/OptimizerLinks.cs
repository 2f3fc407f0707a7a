namespace NativeAmp;

/// <summary>A parameter that tracks what optimizers did with it.</summary>
internal interface ITrackedParameter : IParameter
{
    /// <summary>The optimizers that the parameter belongs to.</summary>
    OptimizerLinks Optimizers { get; }

    /// <summary>
    /// Whether there is a gradient that began after optimizers last unscaled or used the previous one.
    /// </summary>
    bool HasNewGradient { get; }

    /// <summary>Makes the gradient, if there is one, float32.</summary>
    void WidenGradient();
}

/// <summary>
/// The state that one optimizer shares with its parameters, so that a step need not call each of them.
/// </summary>
internal sealed class OptimizerLink(FusedOptimizer optimizer, IParameter[] parameters)
{
    // Weak: parameters must not keep the state of an optimizer that was given up without Dispose.
    private readonly WeakReference<FusedOptimizer> _optimizer = new(optimizer);

    /// <summary>Whether the optimizer is still there.</summary>
    public bool IsAlive => _optimizer.TryGetTarget(out _);

    /// <summary>How often the optimizer has written each parameter, skipped steps included.</summary>
    public long[] Writes { get; } = new long[parameters.Length];

    /// <summary>The history of the gradients.</summary>
    public CheckedGradients Gradients { get; } = new(parameters);

    /// <summary>
    /// The optimizer's remainders of its parameters' masters, which are a part of the parameters' values; null if there
    /// are none.
    /// </summary>
    public MasterColumn? Masters { get; set; }

    /// <summary>Unscales all gradients of the optimizer in float32, before one is read.</summary>
    public void ShowUnscaled(int index)
    {
        Gradients.RequireScale(parameters[index]);
        if (Gradients.AreScaled && _optimizer.TryGetTarget(out var optimizer))
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
    public bool Any => Array.Exists(_links, each => each.Link.IsAlive);

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

    /// <summary>How often an optimizer unscaled its gradients or used them in a step through a scaler.</summary>
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

    /// <summary>Whether an optimizer keeps the remainder of the parameter's float32 master.</summary>
    public bool HasRemainder =>
        Array.Exists(_links, each => each.Link is { IsAlive: true, Masters: { } masters } && masters.Has(each.Index));

    /// <summary>The parameter's master, from the optimizer that keeps its remainder; null if none does.</summary>
    public float[]? ReadMaster()
    {
        foreach (var (link, index) in _links)
        {
            if (link.Masters?.Read(index) is { } master)
                return master;
        }
        return null;
    }

    /// <summary>Sets the parameter to a master, and the remainder that an optimizer keeps.</summary>
    /// <returns>Whether an optimizer keeps one; if not, nothing was written.</returns>
    public bool WriteMaster(float[] master)
    {
        foreach (var (link, index) in _links)
        {
            if (link.Masters?.Has(index) != true)
                continue;
            link.Masters.Write(index, master);
            return true;
        }
        return false;
    }

    /// <summary>Sets the remainder to 0: others wrote the parameter, which is its own master then.</summary>
    public void ForgetRemainder()
    {
        foreach (var (link, index) in _links)
            link.Masters?.Write(index, null);
    }

    /// <summary>Adds an optimizer, and the parameter's index in it. Those that were given up are removed.</summary>
    public void Attach(OptimizerLink link, int index)
    {
        foreach (var (other, _) in _links)
        {
            if (!other.IsAlive)
                Detach(other);
        }
        _links = [.. _links, (link, index)];
    }

    /// <summary>Removes an optimizer; its counts remain.</summary>
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

    /// <summary>
    /// Runs before the parameter's gradient is read: unscales it if its optimizer's gradients were unscaled.
    /// </summary>
    public void ShowUnscaled()
    {
        foreach (var (link, index) in _links)
            link.ShowUnscaled(index);
    }
}
