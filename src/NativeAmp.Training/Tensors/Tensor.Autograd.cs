namespace NativeAmp.Training;

/// <content>What the graph knows about a tensor.</content>
public partial class Tensor
{
    private GradientBuffer? _gradient;
    private GradientBuffer? _retained;
    private bool _requiresGrad;

    /// <summary>
    /// Whether gradients are computed for this tensor. Set it on tensors that you create; the outputs of operators over
    /// such tensors follow by themselves.
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
    /// The gradient that Backward accumulated in this parameter or tensor, or null. It is a view that stays valid until
    /// the gradient is cleared; what is written to it is what the optimizer takes. After
    /// <see cref="GradScaler.Unscale"/> it holds unscaled values: where the gradients are half precision, looking at
    /// one turns all of their optimizer's into float32 first.
    /// </summary>
    /// <exception cref="InvalidOperationException">The sum is incomplete or mixed: a backward pass failed in the
    /// middle, or added to what a scaler had unscaled.</exception>
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

    /// <summary>The node whose output this tensor is, or null for one that was created or is detached.</summary>
    internal Node? Producer { get; set; }

    /// <summary>Where gradients with respect to this tensor are collected.</summary>
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
    /// Has backward passes keep the gradient of this operator's output, to be read as <see cref="Gradient"/> (of the
    /// last pass; a leaf's is kept anyway).
    /// </summary>
    /// <exception cref="InvalidOperationException">No gradient leads here.</exception>
    public void RetainGradient()
    {
        if (!RequiresGrad)
            throw new InvalidOperationException($"{Describe()} requires no gradient, so there is none to retain.");
        RetainsGradient = Producer is not null;
    }

    /// <summary>
    /// Computes the gradients of everything that this scalar was computed from, adds them to the parameters' gradients,
    /// and gives the intermediates of what it went over back to the device's cache as it goes. Graphs that this scalar
    /// does not reach are left alone. This tensor stays readable.
    /// </summary>
    /// <param name="retainGraph">Keeps intermediates, so that another backward pass can go over the graph, or a part of
    /// it, again.</param>
    /// <exception cref="InvalidOperationException">
    /// This is no scalar, nothing that requires gradients led to it, an earlier pass used the graph up, or a tensor
    /// that it saved was written since. Nothing was changed then.
    /// </exception>
    public unsafe void Backward(bool retainGraph = false) => BackwardPass.Run(this, (float*)null, retainGraph);

    /// <summary>Backward from a tensor of any shape.</summary>
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

    /// <summary>The gradient has gone on to the inputs: it is given back, or kept where it was asked for.</summary>
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

    /// <summary>Puts another buffer, or none, in the place of the gradient's, and gives that back.</summary>
    internal GradientBuffer? ExchangeGradient(GradientBuffer? other)
    {
        ref GradientBuffer? place = ref Producer is null ? ref _gradient : ref _retained;
        GradientBuffer? before = place;
        place = other;
        return before;
    }

    internal void SetRetainsGradient(bool retains) => RetainsGradient = retains;
}
