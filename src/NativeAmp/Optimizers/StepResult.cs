namespace NativeAmp;

/// <summary>
/// What a step came to. It is on the device until one of the properties is looked at, which then waits for the step; who does not look does not wait.
/// </summary>
/// <remarks>
/// It can be looked at until its optimizer has taken 64 more steps. A skipped step leaves parameters, moments, compute copies
/// and the step count as they were, and gradients as they lie in memory: still scaled, unless <see cref="GradScaler.Unscale"/> had written them.
/// Where a label or index out of range was met on a GPU since the step before, the properties throw <see cref="IndexRangeException"/>.
/// </remarks>
public readonly struct StepResult
{
    private readonly FusedOptimizer? _optimizer;
    private readonly long _number;

    internal StepResult(FusedOptimizer optimizer, long number)
    {
        _optimizer = optimizer;
        _number = number;
    }

    /// <summary>Whether the step was applied.</summary>
    public bool Stepped => !Facts.FoundInf;

    /// <summary>Whether the step was skipped because a gradient was not finite.</summary>
    public bool Skipped => Facts.FoundInf;

    /// <summary>Why the step was skipped, in a sentence; null if it was applied.</summary>
    public string? Reason => Optimizer.ReasonOf(_number);

    /// <summary>Steps applied by the optimizer, this one included.</summary>
    public long AppliedSteps => Facts.Step;

    /// <summary>Global L2 norm of the unscaled gradients, before clipping; not finite on overflow. NaN if the step was taken without a check.</summary>
    public float GradientNorm => Optimizer.WasChecked(_number) ? Facts.GradientNorm : float.NaN;

    /// <summary>What clipping multiplied the gradients by; 1 without.</summary>
    public float ClipCoefficient => Facts.ClipCoefficient;

    /// <summary>The loss scale that the gradients carried; 1 without a scaler.</summary>
    public float Scale => Optimizer.ScaleOf(_number);

    /// <summary>The learning rate of the first parameter group.</summary>
    public double LearningRate => Optimizer.LearningRateOf(_number);

    /// <summary>Gradient elements that were not finite, over all parameters.</summary>
    public long NonFiniteCount => Facts.NonFiniteCount;

    /// <summary>Name of the first parameter whose gradient was not finite; null if there is none.</summary>
    public string? FirstBadParameter => Optimizer.FirstBadParameterOf(_number);

    /// <summary>What that parameter's gradient looked like; null if there is none, or if a later check has overwritten it.</summary>
    public OverflowFacts? FirstBadFacts => Optimizer.FirstBadFactsOf(_number);

    private FusedOptimizer Optimizer => _optimizer ?? throw new InvalidOperationException("This is the result of no step.");

    private OptimizerFacts Facts => Optimizer.FactsOf(_number);
}
