namespace NativeAmp;

/// <summary>How the learning rate changes over the steps that were applied.</summary>
/// <remarks>
/// A schedule depends on the number of applied steps: a step skipped because of an overflow does not advance it.
/// </remarks>
public interface ILearningRateScheduler
{
    /// <summary>The learning rate of the next step.</summary>
    /// <param name="learningRate">The parameter group's own learning rate.</param>
    /// <param name="appliedSteps">Steps applied so far, from 0.</param>
    double LearningRate(double learningRate, long appliedSteps);
}

/// <summary>The usual schedules.</summary>
public abstract class LearningRateSchedule : ILearningRateScheduler
{
    private LearningRateSchedule() { }

    /// <inheritdoc/>
    public double LearningRate(double learningRate, long appliedSteps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(appliedSteps);
        return learningRate * Factor(appliedSteps);
    }

    /// <summary>The group's learning rate at every step.</summary>
    public static LearningRateSchedule Constant() => new ConstantSchedule();

    /// <summary>
    /// Rises linearly over the first steps, reaches the full rate at the last of them, and goes on with another
    /// schedule.
    /// </summary>
    /// <param name="steps">Steps of warm-up, 0 or more.</param>
    /// <param name="then">The schedule after the warm-up, whose steps count from there; null for the full rate.</param>
    public static LearningRateSchedule LinearWarmup(long steps, LearningRateSchedule? then = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(steps);
        return new WarmupSchedule(steps, then ?? Constant());
    }

    /// <summary>
    /// Falls along half a cosine from the full rate to a fraction of it (Loshchilov and Hutter 2017), and stays there.
    /// </summary>
    /// <param name="steps">Steps until the fraction is reached, 1 or more.</param>
    /// <param name="floor">The fraction, in [0, 1].</param>
    public static LearningRateSchedule Cosine(long steps, double floor = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        if (floor is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(floor), floor, "The fraction must be in [0, 1].");
        return new CosineSchedule(steps, floor);
    }

    /// <summary>Multiplies the rate by a factor each time that a number of steps has passed.</summary>
    /// <param name="every">Steps between changes, 1 or more.</param>
    /// <param name="factor">The factor, above 0.</param>
    public static LearningRateSchedule Step(long every, double factor)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(every, 1);
        if (!(double.IsFinite(factor) && factor > 0))
            throw new ArgumentOutOfRangeException(nameof(factor), factor, "The factor must be finite and above 0.");
        return new StepSchedule(every, factor);
    }

    private protected abstract double Factor(long step);

    private sealed class ConstantSchedule : LearningRateSchedule
    {
        private protected override double Factor(long step) => 1;
    }

    private sealed class WarmupSchedule(long steps, LearningRateSchedule then) : LearningRateSchedule
    {
        private protected override double Factor(long step) =>
            step < steps ? (step + 1.0) / steps : then.Factor(step - steps);
    }

    private sealed class CosineSchedule(long steps, double floor) : LearningRateSchedule
    {
        private protected override double Factor(long step) =>
            floor + (1 - floor) * (1 + Math.Cos(Math.PI * Math.Min(step, steps) / steps)) / 2;
    }

    private sealed class StepSchedule(long every, double factor) : LearningRateSchedule
    {
        private protected override double Factor(long step) => Math.Pow(factor, step / every);
    }
}
