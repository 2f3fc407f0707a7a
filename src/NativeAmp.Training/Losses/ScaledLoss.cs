namespace NativeAmp.Training;

/// <summary>
/// A loss whose backward pass multiplies gradients by a scaler's scale. The scale stays on the device.
/// </summary>
public readonly struct ScaledLoss
{
    private readonly GradScaler _scaler;

    internal ScaledLoss(GradScaler scaler, Tensor loss)
    {
        _scaler = scaler;
        Loss = loss;
    }

    /// <summary>The unscaled loss.</summary>
    public Tensor Loss { get; }

    /// <summary>Like <see cref="Tensor.Backward(bool)"/>, with every gradient multiplied by the loss scale.</summary>
    /// <param name="retainGraph">Whether to keep intermediates, so that another backward pass can go over the graph or
    /// a part of it.</param>
    /// <exception cref="InvalidOperationException">As for <see cref="Tensor.Backward(bool)"/>.</exception>
    public unsafe void Backward(bool retainGraph = false) =>
        BackwardPass.Run(Loss, (float*)_scaler.ScalePointer, retainGraph);
}

/// <summary>Extension of <see cref="GradScaler"/> for tensors.</summary>
public static class GradScalerExtensions
{
    /// <summary>Scales a loss: its backward pass multiplies gradients by the scale.</summary>
    /// <exception cref="ArgumentException">The loss is on another device than the scaler.</exception>
    public static ScaledLoss Scale(this GradScaler scaler, Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(scaler);
        ArgumentNullException.ThrowIfNull(loss);
        if (loss.Device != scaler.Device)
            throw new ArgumentException(
                "The loss is on another device than the scaler: make the scaler with the model's device.",
                nameof(loss)
            );
        return new ScaledLoss(scaler, loss);
    }
}
