using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Scales the loss so that half-precision gradients do not underflow, detects overflows, skips those steps, and adapts
/// the scale. The contract is that of <c>torch.amp.GradScaler</c>.
/// </summary>
/// <remarks>
/// Once a step: scale the loss and run backward; optionally <see cref="Unscale"/>; <see cref="Step"/> for each
/// optimizer; <see cref="Update()"/>. The scale lives on the device, and the host does not wait for it. When disabled,
/// the same calls train without scaling.
/// </remarks>
public sealed unsafe partial class GradScaler : IDisposable
{
    private const int UpdatesBetweenLooks = 64;

    private readonly LossScaleState? _scale;
    private readonly List<(FusedOptimizer Optimizer, Stage Stage)> _optimizers = [];
    private OptimizerState[] _checked = new OptimizerState[1];
    private long _updates;
    private long _stuckSteps;
    private Readback? _counts;
    private (bool Skips, bool Minimum)? _asked;
    private bool _disposed;

    /// <summary>A scaler.</summary>
    /// <param name="device">The device that the optimizers' parameters are on.</param>
    /// <param name="options">The initial scale, and how it changes; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is not possible.</exception>
    public GradScaler(Device device, GradScalerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        Options = options ?? new GradScalerOptions();
        Options.Validate();
        Device = device;
        if (Options.Enabled)
            _scale = new LossScaleState(
                device,
                new GradScalerState
                {
                    Scale = Options.InitialScale,
                    GrowthTracker = -Options.FirstGrowthDelay,
                    HysteresisLeft = Options.Hysteresis,
                }
            );
    }

    private enum Stage
    {
        Ready,
        Unscaled,
        Stepped,
    }

    /// <summary>The device.</summary>
    public Device Device { get; }

    /// <summary>The initial scale, and how it changes.</summary>
    public GradScalerOptions Options { get; }

    /// <summary>Whether gradients are scaled at all.</summary>
    public bool IsEnabled => _scale is not null;

    /// <summary>The scale on the device, for use with <see cref="AmpKernels"/>; null when disabled.</summary>
    public LossScaleState? DeviceState => _scale;

    /// <summary>
    /// Device pointer to the factor of the loss, one float32. When disabled it is 0, which stands for a factor of 1.
    /// </summary>
    public nint ScalePointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _scale?.ScalePointer ?? 0;
        }
    }

    /// <summary>The scale now; 1 when disabled. Waits for the device.</summary>
    public float GetScale()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _scale?.Read().Scale ?? 1;
    }

    /// <summary>
    /// Checks an optimizer's gradients before its step, so that they can be clipped or read. Call it at most once
    /// between updates, after the backward passes and before <see cref="Step"/>, which then does not unscale again.
    /// </summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="inPlace">
    /// Whether to divide the gradients in memory by the scale. Null divides them if all are float32. Otherwise they
    /// stay scaled in memory, because dividing half-precision gradients would lose what scaling saved; the step then
    /// divides them in float32.
    /// </param>
    /// <exception cref="InvalidOperationException">It was called already, or after the step, or no parameter has a
    /// gradient.</exception>
    public void Unscale(FusedOptimizer optimizer, bool? inPlace = null)
    {
        Require(optimizer);
        if (_scale is null)
            return;
        switch (StageOf(optimizer))
        {
            case Stage.Unscaled:
                throw new InvalidOperationException(
                    "Unscale has already been called on this optimizer since the last Update."
                );
            case Stage.Stepped:
                throw new InvalidOperationException(
                    "Unscale is called after Step; it belongs between the backward pass and Step."
                );
            default:
                break;
        }
        lock (Device.Gate)
        {
            RequireGradients(optimizer, stepping: false);
            RequireScaled(optimizer, _scale);
            optimizer.Check(_scale, inPlace);
            Set(optimizer, Stage.Unscaled);
        }
    }

    /// <summary>
    /// Takes an optimizer's step. The step is skipped if a gradient is not finite. Call it at most once between
    /// updates.
    /// </summary>
    /// <exception cref="InvalidOperationException">The step was taken already, or no parameter has a
    /// gradient.</exception>
    public StepResult Step(FusedOptimizer optimizer)
    {
        Require(optimizer);
        if (_scale is null)
            return optimizer.Step();
        var stage = StageOf(optimizer);
        if (stage == Stage.Stepped)
            throw new InvalidOperationException(
                "Step has already been called on this optimizer since the last Update."
            );
        lock (Device.Gate)
        {
            // Before the gradients count as used: if this throws, nothing has changed.
            if (stage == Stage.Unscaled)
                RequireTheCheckedGradients(optimizer, _scale);
            else
                RequireScaled(optimizer, _scale);
            RequireGradients(optimizer, stepping: true);
            var result = optimizer.Apply(
                _scale,
                stage == Stage.Ready ? GradientCheck.InThisCall : GradientCheck.Before
            );
            Set(optimizer, Stage.Stepped);
            return result;
        }
    }

    /// <summary>
    /// Updates the scale by the findings of the checks since the last update, and begins the next step.
    /// </summary>
    /// <exception cref="InvalidOperationException">Neither <see cref="Step"/> nor <see cref="Unscale"/> was called
    /// since the last update.</exception>
    /// <exception cref="TooManySkipsException">
    /// See <see cref="GradScalerOptions.MaximumConsecutiveSkips"/> and
    /// <see cref="GradScalerOptions.StopAtMinimumScale"/>; the update is done.
    /// </exception>
    public void Update()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_scale is null)
            return;
        int count = CollectChecked();
        if (count == 0)
            throw new InvalidOperationException(
                "No inf checks were recorded prior to Update: call Step or Unscale for an optimizer first."
            );
        SettleGradients();
        AmpKernels.UpdateScale(_scale, _checked.AsSpan(0, count), Options);
        try
        {
            if (DeviceGraph.CapturedOn(Device) is { } graph)
                graph.Part(this, () => new CapturedUpdate(this));
            else
                CountUpdate();
        }
        finally
        {
            BeginNextStep();
        }
    }

    private void CountUpdate()
    {
        _updates++;
        if (Options.MaximumConsecutiveSkips > 0 || Options.StopAtMinimumScale)
            LimitSkips(_scale!);
    }

    /// <summary>Sets the scale to a value, and begins the next step.</summary>
    /// <param name="newScale">The scale, finite and above 0.</param>
    public void Update(float newScale)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!(float.IsFinite(newScale) && newScale > 0))
            throw new ArgumentOutOfRangeException(
                nameof(newScale),
                newScale,
                "A loss scale must be finite and above 0."
            );
        if (_scale is null)
            return;
        SettleGradients();
        _scale.Write(_scale.Read() with { Scale = newScale });
        _stuckSteps = 0;
        BeginNextStep();
    }

    /// <summary>Copies the state to the host, for a checkpoint. When disabled it is just a scale of 1.</summary>
    public GradScalerState SaveState()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _scale?.Read() ?? new GradScalerState { Scale = 1 };
    }

    /// <summary>Sets the state, and begins a step. When disabled it does nothing.</summary>
    /// <exception cref="ArgumentException">A value is not possible; nothing was changed.</exception>
    public void LoadState(GradScalerState state)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(state);
        state.Validate(Options.FirstGrowthDelay);
        if (_scale is null)
            return;
        SettleGradients();
        _scale.Write(state);
        _updates = state.Updates;
        _stuckSteps = 0;
        _optimizers.Clear();
    }

    /// <summary>Gives the state's memory back.</summary>
    public void Dispose()
    {
        _disposed = true;
        _counts?.Dispose();
        _scale?.Dispose();
    }

    private void Require(FusedOptimizer optimizer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(optimizer);
        if (_scale is not null && optimizer.Device != Device)
            throw new ArgumentException(
                "The optimizer's parameters are on another device than the scaler.",
                nameof(optimizer)
            );
        if (_optimizers.Count >= AmpKernels.MaxOptimizers && IndexOf(optimizer) < 0)
            throw new InvalidOperationException($"One scaler serves at most {AmpKernels.MaxOptimizers} optimizers.");
    }

    private static void RequireGradients(FusedOptimizer optimizer, bool stepping)
    {
        if (!optimizer.HasGradients(stepping))
            throw new InvalidOperationException(
                "No inf checks were recorded for this optimizer: none of its parameters has a gradient. Call Backward "
                    + "first."
            );
    }

    private static void RequireTheCheckedGradients(FusedOptimizer optimizer, LossScaleState scale)
    {
        RequireGradients(optimizer, stepping: false);
        if (optimizer.Gradients.Outdated(scale) is { } reason)
            throw new InvalidOperationException(
                $"The gradients are not those that Unscale checked: {reason}. Call Update, which begins a new step, "
                    + "before the next backward pass, and Unscale after the last."
            );
    }

    private static void RequireScaled(FusedOptimizer optimizer, LossScaleState scale)
    {
        if (optimizer.Gradients.AreUnscaledByOther(scale))
            throw new InvalidOperationException(
                "The gradients were unscaled by another scaler: take the step with that, or call ZeroGrad and "
                    + "Backward before."
            );
        if (optimizer.Gradients.UnscaledBefore(scale) is { } parameter)
            throw new InvalidOperationException(
                $"The gradient of '{parameter.Name}' was unscaled already, and would be divided by the scale twice: "
                    + "call the optimizer's own Step, or ZeroGrad and Backward before."
            );
    }

    // Before the scale changes.
    private void SettleGradients()
    {
        foreach (var (optimizer, stage) in _optimizers)
        {
            if (stage == Stage.Unscaled)
                optimizer.SettleScale();
            else
                optimizer.Gradients.LoseScale();
        }
    }

    private Stage StageOf(FusedOptimizer optimizer) =>
        IndexOf(optimizer) is >= 0 and var index ? _optimizers[index].Stage : Stage.Ready;

    private void Set(FusedOptimizer optimizer, Stage stage)
    {
        int index = IndexOf(optimizer);
        if (index < 0)
            _optimizers.Add((optimizer, stage));
        else
            _optimizers[index] = (optimizer, stage);
    }

    private int IndexOf(FusedOptimizer optimizer)
    {
        for (int i = 0; i < _optimizers.Count; i++)
        {
            if (_optimizers[i].Optimizer == optimizer)
                return i;
        }
        return -1;
    }

    private int CollectChecked()
    {
        if (_checked.Length < _optimizers.Count)
            _checked = new OptimizerState[_optimizers.Count];
        for (int i = 0; i < _optimizers.Count; i++)
            _checked[i] = _optimizers[i].Optimizer.State;
        return _optimizers.Count;
    }

    private string? FirstBadParameter()
    {
        foreach (var (optimizer, _) in _optimizers)
        {
            if (optimizer.LastBadParameter() is { } name)
                return name;
        }
        return null;
    }

    // The list keeps its memory, so that a step allocates nothing.
    private void BeginNextStep() => _optimizers.Clear();

    private void LimitSkips(LossScaleState scale)
    {
        int limit = Options.MaximumConsecutiveSkips;
        // On a GPU the counts arrive a few updates late, so they are read only every `limit` updates.
        bool asksSkips = limit > 0 && (Device.IsHostMemory || _updates % limit == 0);
        bool asksMinimum = Options.StopAtMinimumScale && (Device.IsHostMemory || _updates % UpdatesBetweenLooks == 0);
        if ((asksSkips || asksMinimum) && _asked is null)
        {
            _counts ??= new Readback(Device, 1, sizeof(NampScalerState));
            _counts.Copy(0, 0, scale.Pointer, sizeof(NampScalerState));
            _counts.Post(0);
            _asked = (asksSkips, asksMinimum);
        }
        if (_asked is not { } asked || !_counts!.IsThere(0))
            return;
        _asked = null;
        Judge(scale, _counts.Read<NampScalerState>(0), asked.Skips, asked.Minimum);
    }

    private void Judge(LossScaleState scale, in NampScalerState native, bool asksSkips, bool asksMinimum)
    {
        int limit = Options.MaximumConsecutiveSkips;
        bool tooMany =
            asksSkips
            && native.ConsecutiveSkips >= limit
            && (!Device.IsHostMemory || native.ConsecutiveSkips % limit == 0);
        bool stuck = asksMinimum && native.StuckSteps > _stuckSteps;
        if (!tooMany && !stuck)
            return;
        _stuckSteps = native.StuckSteps;
        var state = scale.Read();
        if (Options.OnTooManySkips is null)
            throw new TooManySkipsException(state, FirstBadParameter(), atMinimum: stuck && !tooMany);
        Options.OnTooManySkips(state);
    }
}
