using System.Globalization;

namespace NativeAmp.Training;

/// <summary>What a <see cref="Trainer"/> does where the loss of a batch is infinite or not a number.</summary>
/// <remarks>
/// The loss is computed before it is scaled, so that no loss scale makes it so: the batch or the model does. A step
/// whose gradients overflow while its loss is finite is the loss scaler's affair, and none of these.
/// </remarks>
public enum NonFiniteLoss
{
    /// <summary>
    /// The run ends with a <see cref="NonFiniteLossException"/>; no checkpoint is written after that step.
    /// </summary>
    Stop,

    /// <summary>
    /// The batch is passed over before its backward pass: parameters, optimizer, loss scale and growth tracker do not
    /// learn of it. It counts as a skipped step. 250 of them in a row end the run as <see cref="Stop"/> does: a model
    /// that does not change is not going to recover. On a GPU the host waits for each loss before the backward pass.
    /// </summary>
    Skip,

    /// <summary>The step is taken like any other; where its gradients are not finite it is skipped for that.</summary>
    GoOn,
}

/// <summary>
/// The loss of a batch was infinite or not a number, and <see cref="TrainerOptions.OnNonFiniteLoss"/> ends the run
/// there.
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

    /// <summary>What the run came to.</summary>
    public TrainingResult Result { get; }

    private static string Name(float loss) => float.IsNaN(loss) ? "NaN" : "infinite";
}
