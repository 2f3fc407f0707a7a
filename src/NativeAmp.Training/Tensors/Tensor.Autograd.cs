namespace NativeAmp.Training;

/// <content>Gradients of a tensor.</content>
public partial class Tensor
{
    private GradientBuffer? _gradient;
    private GradientBuffer? _retained;
    private bool _requiresGrad;

    /// <summary>
    /// Whether gradients are computed for this tensor. Set it on tensors that you create. Outputs of operators over
    /// such tensors require gradients by themselves.
    /// </summary>
    /// <exception cref="InvalidOperationException">Set on the output of an operator, or on integers.</exception>
    public bool RequiresGrad
    {
        get => _requiresGrad || Producer is not null;
        set
        {
            if (Producer is not null)
                throw new InvalidOperationException(
                    $"{Describe()} is an operator's output: what it requires follows from its inputs."
                );
            if (value && DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
                throw new InvalidOperationException($"{Describe()} has no gradient: only floating-point tensors do.");
            _requiresGrad = value;
        }
    }

    /// <summary>
    /// The gradient that Backward accumulated in this parameter or tensor, or null. It is a view, valid until the
    /// gradient is cleared. The optimizer uses values that are written to it. After <see cref="GradScaler.Unscale"/> it
    /// holds unscaled values: if gradients are half precision, reading one first converts all gradients of its
    /// optimizer to float32.
    /// </summary>
    /// <exception cref="InvalidOperationException">The sum is not valid: a backward pass failed in the middle, or added
    /// to a gradient that a scaler had unscaled.</exception>
    public Tensor? Gradient
    {
        get
        {
            lock (GateOrThis)
            {
                if (_retained is { HasValue: true } retained)
                    return retained.View();
                if (_gradient is not { HasValue: true } gradient || Producer is not null)
                    return null;
                gradient.EnsureUsable();
                (this as Parameter)?.Optimizers.ShowUnscaled();
                return gradient.View();
            }
        }
    }

    /// <summary>The node whose output this tensor is; null for a tensor that was created or detached.</summary>
    internal Node? Producer { get; set; }

    /// <summary>The buffer that collects gradients with respect to this tensor.</summary>
    internal GradientBuffer GradientBuffer => _gradient ??= new GradientBuffer(this);

    internal GradientBuffer? GradientBufferOrNull => _gradient;

    /// <summary>Whether a backward pass for the gradients of other tensors leaves this one out.</summary>
    internal bool IsLeftOut { get; set; }

    /// <summary>Whether the gradient of this operator's output is kept.</summary>
    internal bool RetainsGradient { get; private set; }

    /// <summary>Marks the gradient as empty; its memory is kept for the next one.</summary>
    public void ZeroGrad()
    {
        lock (GateOrThis)
        {
            _gradient?.Clear();
            _retained?.Release();
        }
    }

    /// <summary>
    /// Makes backward passes keep the gradient of this operator's output as <see cref="Gradient"/>. It is that of the
    /// last pass. A leaf's gradient is always kept.
    /// </summary>
    /// <exception cref="InvalidOperationException">The tensor requires no gradient.</exception>
    public void RetainGradient()
    {
        if (!RequiresGrad)
            throw new InvalidOperationException($"{Describe()} requires no gradient, so there is none to retain.");
        RetainsGradient = Producer is not null;
    }

    /// <summary>
    /// Computes the gradients of this scalar with respect to everything that it was computed from, and adds them to the
    /// parameters' gradients. Intermediates of the graph go back to the device's cache on the way. Graphs that this
    /// scalar does not reach are not touched. This tensor stays readable.
    /// </summary>
    /// <param name="retainGraph">Whether to keep intermediates, so that another backward pass can go over the graph or
    /// a part of it.</param>
    /// <exception cref="InvalidOperationException">
    /// This is not a scalar, it was not computed from anything that requires gradients, an earlier pass used the graph
    /// up, or a saved tensor was written since. Nothing was changed.
    /// </exception>
    public unsafe void Backward(bool retainGraph = false) => BackwardPass.Run(this, (float*)null, retainGraph);

    /// <summary>Runs a backward pass from a tensor of any shape.</summary>
    /// <param name="gradient">The gradient with respect to this tensor, of its shape.</param>
    /// <param name="retainGraph">As for <see cref="Backward(bool)"/>.</param>
    /// <exception cref="InvalidOperationException">As for <see cref="Backward(bool)"/>.</exception>
    public void Backward(Tensor gradient, bool retainGraph = false)
    {
        ArgumentNullException.ThrowIfNull(gradient);
        BackwardPass.Run(this, gradient, retainGraph);
    }

    internal void ReleaseGradient()
    {
        _gradient?.Release();
        _gradient = null;
        _retained?.Release();
        _retained = null;
    }

    /// <summary>
    /// Releases the gradient after it was passed on to the inputs, or keeps it if <see cref="RetainGradient"/> was
    /// called.
    /// </summary>
    internal void FinishGradient()
    {
        if (_gradient is not { HasValue: true } gradient)
            return;
        if (RetainsGradient)
        {
            _retained?.Release();
            _retained = gradient;
            _gradient = null;
        }
        else
        {
            gradient.Release();
        }
    }

    /// <summary>Replaces the gradient's buffer by another one or none. Returns the old one.</summary>
    internal GradientBuffer? ExchangeGradient(GradientBuffer? other)
    {
        ref GradientBuffer? place = ref Producer is null ? ref _gradient : ref _retained;
        GradientBuffer? before = place;
        place = other;
        return before;
    }

    internal void SetRetainsGradient(bool retains) => RetainsGradient = retains;
}
