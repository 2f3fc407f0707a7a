namespace NativeAmp.Training;

/// <summary>Counts losses that are not finite, and decides when they end a run.</summary>
internal sealed class LossWatch(NonFiniteLoss action)
{
    private const int MostInARow = 250;

    /// <summary>Number of losses that were not finite.</summary>
    public long Count { get; private set; }

    /// <summary>Number of them since the last finite loss.</summary>
    public int InARow { get; private set; }

    /// <summary>
    /// Whether to skip a batch with this loss before its backward pass. Waits for the loss only under
    /// <see cref="NonFiniteLoss.Skip"/>.
    /// </summary>
    public bool PassesOver(Tensor loss) => action == NonFiniteLoss.Skip && !float.IsFinite(loss.Item());

    /// <summary>Counts a step.</summary>
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
