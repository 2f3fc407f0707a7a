namespace NativeAmp;

// What the device has found in its last steps.
public abstract partial class FusedOptimizer
{
    private StepHistory History => _disposed ? throw new ObjectDisposedException(GetType().Name) : _history;

    internal bool IsKnown(long step) => History.IsKnown(step);

    internal StepOutcome OutcomeOf(long step)
    {
        StepHistory history = History;
        OptimizerFacts facts = history.Facts(step);
        return new StepOutcome
        {
            Skipped = facts.FoundInf,
            AppliedSteps = facts.Step,
            GradientNorm = history.WasChecked(step) ? facts.GradientNorm : float.NaN,
            ClipCoefficient = facts.ClipCoefficient,
            Scale = history.Scale(step),
            LearningRate = history.LearningRate(step),
            NonFiniteCount = facts.NonFiniteCount,
            FirstBadParameter = FirstBadParameter(facts),
        };
    }

    /// <summary>The first bad parameter of the last check, stepped or not.</summary>
    internal string? LastBadParameter() => FirstBadParameter(State.Read());

    internal OverflowFacts? FirstBadFactsOf(long step)
    {
        var facts = History.Facts(step);
        if (!facts.FoundInf || facts.FirstNonFiniteTensor < 0 || step != _history.Next - 1)
            return null;
        var all = new OverflowFacts[_parameters.Length];
        Memory.Table.ReadFacts(all);
        // A check after the step has overwritten the facts: they show no overflow, or another one.
        return all[facts.FirstNonFiniteTensor] is { NonFiniteCount: > 0 } bad ? bad : null;
    }

    private string? FirstBadParameter(in OptimizerFacts facts) =>
        facts.FoundInf && facts.FirstNonFiniteTensor >= 0 ? _names[facts.FirstNonFiniteTensor] : null;
}
