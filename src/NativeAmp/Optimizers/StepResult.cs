namespace NativeAmp;

/// <summary>The result of a step. Its outcome stays on the device until <see cref="Read"/> is called.</summary>
/// <remarks>It can be read until its optimizer has taken 64 more steps.</remarks>
public readonly struct StepResult
{
    private readonly FusedOptimizer? _optimizer;
    private readonly long _number;

    internal StepResult(FusedOptimizer optimizer, long number)
    {
        _optimizer = optimizer;
        _number = number;
    }

    /// <summary>Whether <see cref="Read"/> would not wait.</summary>
    public bool IsKnown => Optimizer.IsKnown(_number);

    private FusedOptimizer Optimizer =>
        _optimizer ?? throw new InvalidOperationException("This is the result of no step.");

    /// <summary>The outcome of the step. Waits for the device if it is not known yet.</summary>
    /// <exception cref="IndexRangeException">On a GPU, a label or index was out of range since the previous
    /// step.</exception>
    public StepOutcome Read() => Optimizer.OutcomeOf(_number);

    /// <summary>
    /// The facts of the gradient of <see cref="StepOutcome.FirstBadParameter"/>; null if there is none, or if a later
    /// check has overwritten them. Waits for the device.
    /// </summary>
    /// <exception cref="IndexRangeException">On a GPU, a label or index was out of range since the previous
    /// step.</exception>
    public OverflowFacts? ReadFirstBadFacts() => Optimizer.FirstBadFactsOf(_number);
}
