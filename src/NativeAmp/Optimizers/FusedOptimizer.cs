using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// An optimizer over float32 parameters, or over bfloat16 and float16 ones with or without float32 masters
/// (<see cref="OptimizerOptions.MasterFormat"/>). A step is one native call for any number of parameters: it checks the
/// gradients and measures their norm, then unscales, clips, updates, and writes the compute copies. Gradients that
/// moved since the last step add one native call; so do compute copies that moved.
/// </summary>
/// <remarks>
/// Gradients may be float32, float16, bfloat16 or FP8, in any mix. A step is skipped if its gradients are not finite,
/// with or without a <see cref="GradScaler"/>; <see cref="StepOutcome"/> says what a skipped step leaves unchanged.
/// Parameters without a gradient are left out of a step. Gradients accumulate over all backward passes until
/// <see cref="ZeroGrad"/>. Steps are counted for each parameter, as in <c>torch.optim</c>: a parameter that gets its
/// first gradient late takes its first step then. Parameters of several models may have equal names. In messages and in
/// the state the second "0.weight" is "2:0.weight", or has its <see cref="ParameterGroup.Name"/> in front.
/// </remarks>
public abstract partial class FusedOptimizer : IDisposable
{
    private readonly IParameter[] _parameters;
    private readonly string[] _names;
    private readonly ParameterGroup[] _groups;
    private NampOptimizerGroup[] _stepGroups;
    private long _knownNumber = -1;
    private long _knownApplied;
    private readonly StepHistory _history;
    private float _maxNorm;
    private bool _hasFindings;
    private readonly OptimizerLink _link;
    private bool _disposed;

    private protected FusedOptimizer(IEnumerable<ParameterGroup> groups, Type options)
    {
        ArgumentNullException.ThrowIfNull(groups);
        _groups = [.. groups];
        _parameters = [.. _groups.SelectMany(g => g.Parameters)];
        if (_parameters.Length == 0)
            throw new ArgumentException("An optimizer needs at least one parameter.");
        if (Array.Find(_groups, group => group.Options.GetType() != options) is { } other)
            throw new ArgumentException(
                $"This optimizer's groups take {options.Name}; one has {other.Options.GetType().Name}."
            );
        Device = _parameters[0].Device;
        _names = ParameterNames.Of(_groups);
        OptimizerChecks.Parameters(Device, _parameters, _names);
        OptimizerChecks.Groups(_groups);
        _stepGroups = new NampOptimizerGroup[_groups.Length];
        int[] groupOf = [.. _groups.SelectMany((g, i) => g.Parameters.Select(_ => i))];
        _link = new OptimizerLink(this, _parameters);
        Memory = new OptimizerMemory(Device, _parameters, _names, groupOf, _groups, _link);
        _link.Masters = Memory.Masters.Any ? Memory.Masters : null;
        State = new OptimizerState(Device);
        _history = new StepHistory(Device);
        for (int i = 0; i < _parameters.Length; i++)
            (_parameters[i] as ITrackedParameter)?.Optimizers.Attach(_link, i);
    }

    /// <summary>
    /// Creates an optimizer of one group by the type of its options: <see cref="FusedAdam"/> for
    /// <see cref="AdamOptions"/>, and so on.
    /// </summary>
    /// <param name="parameters">The parameters; their device is the optimizer's.</param>
    /// <param name="options">The hyperparameters.</param>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, or they are on several
    /// devices.</exception>
    public static FusedOptimizer Create(IEnumerable<IParameter> parameters, OptimizerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.CreateOptimizer([new ParameterGroup(parameters, options)]);
    }

    /// <summary>The device that the parameters are on.</summary>
    public Device Device { get; }

    /// <summary>Bytes of the rule's state, with the scales of compact formats, and of masters' remainders.</summary>
    public long StateBytes => _disposed ? throw new ObjectDisposedException(GetType().Name) : Memory.StateBytes;

    /// <summary>The parameter groups.</summary>
    public IReadOnlyList<ParameterGroup> Groups => _groups;

    /// <summary>
    /// The schedule that changes every group's learning rate over the applied steps; null for none. It is asked before
    /// each step. On a GPU the host does not wait to learn whether the last steps were skipped: there the schedule is
    /// asked for each possible number of applied steps.
    /// </summary>
    public ILearningRateScheduler? Scheduler { get; set; }

    /// <summary>
    /// Whether to check before each step that all gradients are finite, and to measure their norm. If false, a plain
    /// <see cref="Step"/> applies the gradients unchecked; with a scaler or clipping they are always checked.
    /// </summary>
    public bool CheckGradients { get; set; } = true;

    /// <summary>Steps applied so far; a skipped one does not count. Waits for the device.</summary>
    public long CountAppliedSteps()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return State.Read().Step;
    }

    /// <summary>The state on the device, for those who go on with <see cref="AmpKernels"/>.</summary>
    public OptimizerState State { get; }

    /// <summary>The history of the gradients since the last check.</summary>
    internal CheckedGradients Gradients => _link.Gradients;

    /// <summary>The rule's state, and the table of all parameters.</summary>
    internal OptimizerMemory Memory { get; }

    /// <summary>Takes a step with gradients that carry no loss scale.</summary>
    /// <exception cref="InvalidOperationException">No parameter has a gradient.</exception>
    public StepResult Step()
    {
        lock (Device.Gate)
        {
            bool check = CheckGradients || _maxNorm > 0;
            Gradients.RequireScale();
            UnscaleInFloat32();
            if (!HasGradients(stepping: true))
                throw new InvalidOperationException(
                    "None of the optimizer's parameters has a gradient: call Backward before the step, and ZeroGrad "
                        + "after it."
                );
            return Apply(scaler: null, check ? GradientCheck.InThisCall : GradientCheck.None);
        }
    }

    /// <summary>
    /// Clips gradients to a global L2 norm in the next step, as <c>torch.nn.utils.clip_grad_norm_</c> does. Clipping
    /// costs no extra pass. It may be called before or after <see cref="GradScaler.Unscale"/>: the norm is always that
    /// of the unscaled gradients, as <see cref="GradScaler.Unscale"/> found them. The step uses what is written to them
    /// after that, but the norm does not change.
    /// </summary>
    /// <param name="maxNorm">
    /// The largest norm, above 0. Positive infinity clips nothing but measures the norm for
    /// <see cref="StepOutcome.GradientNorm"/>, even if <see cref="CheckGradients"/> is false.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The norm is negative, NaN, or 0 (also 0 because it was too small
    /// for a float).</exception>
    public void ClipGradNorm(float maxNorm)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!(maxNorm > 0))
            throw new ArgumentOutOfRangeException(
                nameof(maxNorm),
                maxNorm,
                "The largest norm must be above 0; infinity measures the norm and clips nothing."
            );
        _maxNorm = maxNorm;
    }

    /// <summary>Drops all gradients.</summary>
    public void ZeroGrad()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (Device.Gate)
        {
            foreach (var parameter in _parameters)
                parameter.ClearGradient();
            Gradients.Cleared();
        }
    }

    /// <summary>
    /// The learning rate of a group's next step. With a <see cref="Scheduler"/> this waits for the device.
    /// </summary>
    public double NextLearningRate(int group = 0)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        double rate = _groups[group].Options.LearningRate;
        return Scheduler is null ? rate : Scheduler.LearningRate(rate, CountAppliedSteps());
    }

    /// <summary>Copies the state and the counts of steps to the host.</summary>
    public OptimizerSnapshot SaveState() => new() { Step = CountAppliedSteps(), Parameters = Memory.Read() };

    /// <summary>
    /// Sets the state and the counts of steps; parameters are found by name. A half-precision parameter is set to its
    /// master if the state has one. Without one a module's parameter keeps its own, which is loaded with the module,
    /// and the remainder of another parameter is 0.
    /// </summary>
    /// <exception cref="ArgumentException">A parameter or a column of its state is missing, unknown or of another size;
    /// nothing was changed.</exception>
    public void LoadState(OptimizerSnapshot state)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(state);
        if (state.Step is < 0 or long.MaxValue)
            throw new ArgumentOutOfRangeException(
                nameof(state),
                state.Step,
                "A state counts 0 or more steps, and less than 2^63 - 1."
            );
        var byName = new Dictionary<string, ParameterSnapshot>(StringComparer.Ordinal);
        foreach (var parameter in state.Parameters)
        {
            if (!byName.TryAdd(parameter.Name, parameter))
                throw new ArgumentException($"The state holds '{parameter.Name}' twice.", nameof(state));
        }
        foreach (string name in byName.Keys.Except(_names))
            throw new ArgumentException(
                $"The state holds '{name}', which this optimizer does not train.",
                nameof(state)
            );
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (!byName.TryGetValue(_names[i], out var parameter))
                throw new ArgumentException($"The state does not hold '{_names[i]}'.", nameof(state));
            if (Memory.Misfit(i, parameter) is { } misfit)
                throw new ArgumentException(misfit, nameof(state));
        }
        Memory.Write([.. _names.Select(name => byName[name])]);
        State.Reset(state.Step);
        _knownNumber = _history.Next - 1;
        _knownApplied = state.Step;
        _hasFindings = false;
        Gradients.Forget("LoadState forgot what was found");
    }

    /// <summary>Gives state and table back. Parameters are not touched.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (var parameter in _parameters)
            (parameter as ITrackedParameter)?.Optimizers.Detach(_link);
        Memory.Dispose();
        State.Dispose();
        _history.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Whether any parameter has a gradient. Updates the table with the places of all gradients.</summary>
    internal bool HasGradients(bool stepping)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return Memory.Refresh(stepping);
    }

    /// <summary>
    /// Checks all gradients that HasGradients found: finiteness, norm, facts. If inPlace is null, they are unscaled in
    /// memory only if that loses nothing.
    /// </summary>
    internal void Check(LossScaleState? scaler, bool? inPlace)
    {
        bool write = inPlace ?? Memory.AllGradientsFloat32;
        AmpKernels.UnscaleAndCheck(
            Memory.Table,
            Memory.Columns.Gradient,
            scaler,
            State,
            write ? Memory.Columns.Gradient : -1
        );
        _hasFindings = true;
        Gradients.Read(scaler, areScaled: !write);
    }

    /// <summary>
    /// Runs before the scale changes: unscales gradients that were left scaled, where that is possible.
    /// </summary>
    internal void SettleScale()
    {
        if (!Gradients.AreScaled || _parameters.Any(StaysScaled))
            return;
        // The scale is about to change by the findings of Unscale, which these must not replace: gradients may have
        // been cleared since.
        using var findings = new OptimizerState(Device);
        UnscaleInFloat32(findings);
    }

    /// <summary>
    /// Unscales half-precision gradients that <see cref="GradScaler.Unscale"/> left scaled: they become float32, so
    /// that the division loses nothing.
    /// </summary>
    internal void UnscaleInFloat32() => UnscaleInFloat32(State);

    private void UnscaleInFloat32(OptimizerState findings)
    {
        lock (Device.Gate)
        {
            if (!Gradients.AreScaled)
                return;
            if (Array.Find(_parameters, StaysScaled) is { } parameter)
                throw new InvalidOperationException(
                    $"Gradients stay scaled after Unscale, and that of '{parameter.Name}' cannot be turned into "
                        + "float32: look at gradients before Unscale, or call it with inPlace: true."
                );
            // Gradients that began after Unscale, as after a module's ZeroGrad, carry the scale still.
            foreach (var each in _parameters)
            {
                if (each is ITrackedParameter { HasNewGradient: false } tracked)
                    tracked.WidenGradient();
            }
            if (Memory.Refresh(stepping: false, withNew: false))
                AmpKernels.UnscaleAndCheck(
                    Memory.Table,
                    Memory.Columns.Gradient,
                    Gradients.Scaler,
                    findings,
                    Memory.Columns.Gradient
                );
            Gradients.Unscaled();
        }
    }

    private static bool StaysScaled(IParameter parameter) =>
        parameter is not ITrackedParameter && parameter.Gradient is { Pointer: not 0, DType: not DType.Float32 };

    /// <summary>Applies the gradients that HasGradients found.</summary>
    internal StepResult Apply(LossScaleState? scaler, GradientCheck check)
    {
        Gradients.Stepped(check == GradientCheck.InThisCall ? scaler : null);
        var captured = DeviceGraph.Near(Device)?.Part(this, () => new CapturedOptimizerStep(this));
        if (captured is not null && DeviceGraph.IsCapturing)
            return Capture(captured, scaler, check);
        BeforeStep(check);
        int rows = PrepareGroups();
        ApplyRows(scaler, check, rows, _knownApplied, onDevice: 0);
        Span<double> rates = stackalloc double[rows];
        CopyRates(rates);
        return new StepResult(
            this,
            _history.Add(State, scaler, rates, _knownApplied, wasChecked: check != GradientCheck.None)
        );
    }

    private void ApplyRows(LossScaleState? scaler, GradientCheck check, int rows, long firstStep, nint onDevice)
    {
        var first = _groups[0].Options;
        AmpKernels.OptimizerStep(
            first.Rule,
            Memory.Table,
            Memory.Columns,
            _stepGroups.AsSpan(0, rows * _groups.Length),
            rows,
            firstStep,
            Memory.Steps,
            scaler,
            State,
            new OptimizerStepOptions
            {
                MaxNorm = _maxNorm,
                WeightRounding = first.WeightRounding,
                Seed = first.RoundingSeed,
                CheckGradients = check == GradientCheck.InThisCall,
                Rows = onDevice,
            }
        );
        _maxNorm = 0;
    }

    /// <summary>
    /// Prepares the hyperparameters of the next step. With a schedule there is a row for each possible number of
    /// applied steps: only the device knows which of the last steps were skipped.
    /// </summary>
    /// <returns>The number of rows; the first is for the number of steps known to be applied.</returns>
    private int PrepareGroups()
    {
        int rows = 1;
        if (Scheduler is not null)
        {
            // The device is too far behind: wait for it.
            if (_history.Next - 1 - _history.Known >= StepHistory.Length / 2)
                _history.Facts(_history.Next - 1 - StepHistory.Length / 4);
            if (_history.Known > _knownNumber)
                (_knownNumber, _knownApplied) = (_history.Known, _history.AppliedAfter(_history.Known, _knownApplied));
            rows = (int)(_history.Next - _knownNumber);
        }
        if (_stepGroups.Length < rows * _groups.Length)
            // At once for every step that the device may be behind, so that a later one allocates nothing.
            _stepGroups = new NampOptimizerGroup[StepHistory.Length * _groups.Length];
        for (int i = 0; i < rows * _groups.Length; i++)
        {
            _stepGroups[i] = _groups[i % _groups.Length].Options.ToNative();
            if (Scheduler is not null)
                _stepGroups[i].LearningRate = Scheduler.LearningRate(
                    _stepGroups[i].LearningRate,
                    _knownApplied + i / _groups.Length
                );
        }
        return rows;
    }
}
