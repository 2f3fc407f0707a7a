using System.Globalization;

namespace NativeAmp.Training;

/// <summary>The action of a <see cref="Trainer"/> when the loss of a batch is infinite or NaN.</summary>
/// <remarks>
/// The loss is computed before it is scaled, so the cause is the batch or the model, never the loss scale. If gradients
/// overflow while the loss is finite, the loss scaler handles the step, and none of these applies.
/// </remarks>
public enum NonFiniteLoss
{
    /// <summary>
    /// Ends the run with a <see cref="NonFiniteLossException"/>. No checkpoint is written after that step.
    /// </summary>
    Stop,

    /// <summary>
    /// Skips the batch before its backward pass: parameters, optimizer, loss scale and growth tracker do not change. It
    /// counts as a skipped step. 250 of them in a row end the run like <see cref="Stop"/>: a model that does not change
    /// cannot recover. On a GPU the host waits for each loss before the backward pass.
    /// </summary>
    Skip,

    /// <summary>Takes the step like any other. It is skipped if its gradients are not finite.</summary>
    GoOn,
}

/// <summary>
/// The loss of a batch was infinite or NaN, and <see cref="TrainerOptions.OnNonFiniteLoss"/> ended the run.
/// </summary>
public sealed class NonFiniteLossException : Exception
{
    internal NonFiniteLossException(in StepReport step, TrainingResult result, int inARow)
        : base(
            string.Create(
                CultureInfo.InvariantCulture,
                $"The loss is {Name(step.Loss)} at step {step.Step}, with a learning rate of {step.LearningRate:G6} "
                    + $"and a loss scale of {step.Scale:G6}"
            )
                + (inARow > 1 ? FormattableString.Invariant($", for the {inARow}th time in a row. ") : ". ")
                + "Look for a learning rate that is too high, or for data that is not finite or out of range; no loss "
                + "scale makes a loss so."
        )
    {
        Step = step.Step;
        Result = result;
    }

    /// <summary>The step, from 1.</summary>
    public long Step { get; }

    /// <summary>The result of the run.</summary>
    public TrainingResult Result { get; }

    private static string Name(float loss) => float.IsNaN(loss) ? "NaN" : "infinite";
}
