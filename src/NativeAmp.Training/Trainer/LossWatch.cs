namespace NativeAmp.Training;

/// <summary>Counts losses that are not finite, and knows when they end a run.</summary>
internal sealed class LossWatch(NonFiniteLoss action)
{
    private const int MostInARow = 250;

    /// <summary>How many there were.</summary>
    public long Count { get; private set; }

    /// <summary>How many there were since the last finite one.</summary>
    public int InARow { get; private set; }

    /// <summary>
    /// Whether a batch of this loss is to be left before its backward pass. Waits for the loss only where that can be.
    /// </summary>
    public bool PassesOver(Tensor loss) => action == NonFiniteLoss.Skip && !float.IsFinite(loss.Item());

    /// <summary>Takes notice of a step.</summary>
    /// <returns>Whether the run ends with it.</returns>
    public bool Ends(in StepReport step)
    {
        if (float.IsFinite(step.Loss))
        {
            InARow = 0;
            return false;
        }

        Count++;
        InARow++;
        return action == NonFiniteLoss.Stop || (action == NonFiniteLoss.Skip && InARow >= MostInARow);
    }
}
