namespace NativeAmp.Training;

/// <content>What the tape knows about a tensor.</content>
public partial class Tensor
{
    private GradientBuffer? _gradient;
    private bool _requiresGrad;

    /// <summary>
    /// Whether gradients are computed for this tensor. Set it on tensors that you create; the outputs of operators over such
    /// tensors follow by themselves.
    /// </summary>
    /// <exception cref="InvalidOperationException">Set on the output of an operator, or on integers.</exception>
    public bool RequiresGrad
    {
        get => _requiresGrad || Producer is not null;
        set
        {
            if (Producer is not null)
                throw new InvalidOperationException($"{Describe()} is an operator's output: what it requires follows from its inputs.");
            if (value && DType is not (DType.Float32 or DType.Float16 or DType.BFloat16))
                throw new InvalidOperationException($"{Describe()} has no gradient: only floating-point tensors do.");
            _requiresGrad = value;
        }
    }

    /// <summary>
    /// The gradient that Backward accumulated in this parameter or tensor, or null. It is a view that stays valid until the
    /// gradient is cleared.
    /// </summary>
    public Tensor? Gradient => _gradient is { HasValue: true } gradient && Producer is null ? gradient.View() : null;

    /// <summary>The node whose output this tensor is, or null for one that was created or is detached.</summary>
    internal Node? Producer { get; set; }

    /// <summary>Where gradients with respect to this tensor are collected.</summary>
    internal GradientBuffer GradientBuffer => _gradient ??= new GradientBuffer(this);

    internal GradientBuffer? GradientBufferOrNull => _gradient;

    /// <summary>Marks the gradient as empty; its memory is kept for the next one.</summary>
    public void ZeroGrad() => _gradient?.Clear();

    /// <summary>
    /// Computes the gradients of everything that this scalar was computed from, adds them to the parameters' gradients, and
    /// gives the tape's intermediates back to the device's cache as it goes. This tensor stays readable until the next
    /// forward pass begins.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// This is no scalar, nothing that requires gradients led to it, or Backward went over it before.
    /// </exception>
    public unsafe void Backward() => Tape.Current.Backward(this);

    /// <summary>Backward from a tensor of any shape.</summary>
    /// <param name="gradient">The gradient with respect to this tensor, of its shape.</param>
    /// <exception cref="InvalidOperationException">As for <see cref="Backward()"/>.</exception>
    public void Backward(Tensor gradient)
    {
        ArgumentNullException.ThrowIfNull(gradient);
        Tape.Current.Backward(this, gradient);
    }

    internal void ReleaseGradient()
    {
        _gradient?.Release();
        _gradient = null;
    }
}
