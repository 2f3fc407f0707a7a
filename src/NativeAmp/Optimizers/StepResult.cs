namespace NativeAmp;

/// <summary>A step that was taken. What it came to is on the device until <see cref="Read"/> asks.</summary>
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

    /// <summary>What the step came to; waits for the device where that is not known yet.</summary>
    /// <exception cref="IndexRangeException">On a GPU a label or index out of range was met since the step
    /// before.</exception>
    public StepOutcome Read() => Optimizer.OutcomeOf(_number);

    /// <summary>
    /// What the gradient of <see cref="StepOutcome.FirstBadParameter"/> looked like; null if there is none, or if a
    /// later check has overwritten it. Waits for the device.
    /// </summary>
    /// <exception cref="IndexRangeException">On a GPU a label or index out of range was met since the step
    /// before.</exception>
    public OverflowFacts? ReadFirstBadFacts() => Optimizer.FirstBadFactsOf(_number);
}
