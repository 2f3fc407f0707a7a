namespace NativeAmp.Training;

/// <summary>A loss whose gradients are to be multiplied by a scaler's scale, which stays on the device.</summary>
public readonly struct ScaledLoss
{
    private readonly GradScaler _scaler;

    internal ScaledLoss(GradScaler scaler, Tensor loss)
    {
        _scaler = scaler;
        Loss = loss;
    }

    /// <summary>The loss itself, not scaled.</summary>
    public Tensor Loss { get; }

    /// <summary>Like <see cref="Tensor.Backward(bool)"/>, with every gradient multiplied by the loss scale.</summary>
    /// <param name="retainGraph">Keeps intermediates, so that another backward pass can go over the graph, or a part of
    /// it, again.</param>
    /// <exception cref="InvalidOperationException">As for <see cref="Tensor.Backward(bool)"/>.</exception>
    public unsafe void Backward(bool retainGraph = false) =>
        BackwardPass.Run(Loss, (float*)_scaler.ScalePointer, retainGraph);
}

/// <summary>What joins <see cref="GradScaler"/> to tensors.</summary>
public static class GradScalerExtensions
{
    /// <summary>The loss, for a backward pass that multiplies gradients by the scale.</summary>
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
