using NativeAmp.Interop;

namespace NativeAmp;

// Steps in a graph.
public abstract partial class FusedOptimizer
{
    /// <summary>
    /// The result of the last step: of the last <see cref="Step"/>, <see cref="GradScaler.Step"/>, or launch of a graph
    /// with such a step.
    /// </summary>
    /// <exception cref="InvalidOperationException">There was none.</exception>
    public StepResult LastStep
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _history.Next > 0
                ? new StepResult(this, _history.Next - 1)
                : throw new InvalidOperationException("The optimizer has taken no step.");
        }
    }

    /// <summary>Prepares the findings of the last check for a step.</summary>
    internal void BeforeStep(GradientCheck check)
    {
        if (check == GradientCheck.None && _hasFindings)
            State.ForgetFindings();
        _hasFindings = check != GradientCheck.None;
    }

    /// <summary>The rows of hyperparameters of the next step, and the number of applied steps of the first.</summary>
    internal ReadOnlySpan<NampOptimizerGroup> PrepareRows(out int rows, out long firstStep)
    {
        rows = PrepareGroups();
        firstStep = _knownApplied;
        return _stepGroups.AsSpan(0, rows * _groups.Length);
    }

    /// <summary>Writes rows to the device.</summary>
    internal void WriteRows(nint rows, ReadOnlySpan<NampOptimizerGroup> groups, int count, long firstStep) =>
        AmpKernels.WriteOptimizerRows(
            rows,
            _groups[0].Options.Rule,
            Memory.Table,
            Memory.Columns,
            groups,
            count,
            firstStep
        );

    /// <summary>Notes the step of a launch, whose record is on the device.</summary>
    internal void AfterLaunch(
        nint record,
        LossScaleState? scaler,
        GradientCheck check,
        TensorCell[] gradients,
        int rows,
        long firstStep
    )
    {
        for (int i = 0; i < gradients.Length; i++)
        {
            if (gradients[i].Pointer != 0)
                _link.Writes[i]++;
        }
        Gradients.Stepped(check == GradientCheck.InThisCall ? scaler : null);
        _maxNorm = 0;
        Span<double> rates = stackalloc double[rows];
        CopyRates(rates);
        _history.AddCopy(record, rates, firstStep, check != GradientCheck.None, scaler is not null);
    }

    /// <summary>Captures a step, whose rows a launch reads on the device.</summary>
    private StepResult Capture(CapturedOptimizerStep step, LossScaleState? scaler, GradientCheck check)
    {
        step.Note(scaler, check);
        // The step writes them, whether operators read them or not.
        foreach (var parameter in _parameters)
            _ = parameter.Data;
        for (int i = 0; i < _groups.Length; i++)
            _stepGroups[i] = _groups[i].Options.ToNative();
        ApplyRows(scaler, check, rows: 1, firstStep: 0, onDevice: step.Rows);
        _history.Capture(step.Record, State, scaler);
        // It is there once the graph was launched.
        return new StepResult(this, _history.Next);
    }

    private void CopyRates(Span<double> rates)
    {
        for (int row = 0; row < rates.Length; row++)
            rates[row] = _stepGroups[row * _groups.Length].LearningRate;
    }
}
