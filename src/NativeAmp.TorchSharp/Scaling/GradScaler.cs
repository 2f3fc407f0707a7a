using System.Globalization;
using System.Runtime.CompilerServices;
using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// Scales the loss so that half-precision gradients do not underflow, detects overflows, skips those steps, and adapts
/// the scale: <c>torch.amp.GradScaler</c> for TorchSharp, with its names, arguments and defaults.
/// </summary>
/// <remarks>
/// Once a step: <c>scaler.scale(loss).backward()</c>, optionally <c>scaler.unscale_(optimizer)</c>,
/// <c>scaler.step(optimizer)</c> for each optimizer, <c>scaler.update()</c>. It is on the device of the first loss or
/// optimizer that it sees. With a fused optimizer the host does not wait for the device.
/// </remarks>
/// <example>
/// <code>
/// using var scaler = new GradScaler();
/// using (amp.autocast(torch.CUDA))
///     loss = model.call(x);
/// scaler.scale(loss).backward();
/// scaler.step(optimizer);
/// scaler.update();
/// </code>
/// </example>
public sealed class GradScaler : IDisposable
{
    private const string Scale = "scale";
    private const string GrowthFactor = "growth_factor";
    private const string BackoffFactor = "backoff_factor";
    private const string GrowthInterval = "growth_interval";
    private const string GrowthTracker = "_growth_tracker";

    private readonly ConditionalWeakTable<torch.optim.Optimizer, PlainOptimizer> _plain = [];
    private readonly HashSet<torch.optim.Optimizer> _unscaled = [];
    private readonly HashSet<torch.optim.Optimizer> _stepped = [];
    private GradScalerOptions _options;
    private GradScalerState _beforeUse;
    private NativeAmp.GradScaler? _core;
    private TorchPlace? _place;
    private bool _disposed;

    /// <summary>A scaler.</summary>
    /// <param name="init_scale">The scale to begin with, finite and above 0.</param>
    /// <param name="growth_factor">Factor of the scale after <paramref name="growth_interval"/> good steps.</param>
    /// <param name="backoff_factor">Factor of the scale on overflow, in (0, 1].</param>
    /// <param name="growth_interval">Consecutive good steps after which the scale grows.</param>
    /// <param name="enabled">Whether to scale at all; if not, the same calls train without scaling.</param>
    /// <exception cref="ArgumentException">A value is not possible.</exception>
    public GradScaler(
        double init_scale = 65536,
        double growth_factor = 2,
        double backoff_factor = 0.5,
        int growth_interval = 2000,
        bool enabled = true
    )
    {
        _options = GradScalerOptions.PyTorch with
        {
            InitialScale = (float)init_scale,
            GrowthFactor = growth_factor,
            BackoffFactor = backoff_factor,
            GrowthInterval = growth_interval,
            Enabled = enabled,
        };
        _beforeUse = new GradScalerState { Scale = enabled ? _options.InitialScale : 1 };
        EnsurePossible(_options, _beforeUse);
    }

    /// <summary>Whether gradients are scaled at all.</summary>
    public bool is_enabled() => _options.Enabled;

    /// <summary>The scale now; 1 when disabled. Waits for the device.</summary>
    public float get_scale() => State().Scale;

    /// <summary>The loss times the scale, for its backward pass. The host does not wait for the scale.</summary>
    /// <exception cref="InvalidOperationException">It is on another device than the scaler.</exception>
    public torch.Tensor scale(torch.Tensor outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return outputs;
        NativeAmp.GradScaler core = On(TorchPlace.Of(outputs, "loss"), "loss");
        // A tensor of its own for each product, which keeps it for the backward pass.
        using torch.Tensor factor = torch.empty([], torch.ScalarType.Float32, outputs.device);
        using (_place!.OnTorchsStream())
            core.Device.CopyOnDevice(LibTorch.Instance.Data(factor), core.ScalePointer, sizeof(float));
        return outputs.mul(factor);
    }

    /// <summary>Several losses times the scale.</summary>
    public IReadOnlyList<torch.Tensor> scale(IEnumerable<torch.Tensor> outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        return [.. outputs.Select(scale)];
    }

    /// <summary>
    /// Divides an optimizer's gradients in memory by the scale and checks them, so that they can be clipped or read.
    /// Clipping by <see cref="FusedOptimizer.clip_grad_norm_"/> does not need it.
    /// </summary>
    /// <exception cref="InvalidOperationException">It was called already, or after the step; no parameter has a
    /// gradient; or a gradient is in float16, where dividing would lose what scaling saved.</exception>
    public void unscale_(torch.optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return;
        (NativeAmp.FusedOptimizer core, IReadOnlyList<TorchParameter> parameters) = Checked(optimizer);
        NativeAmp.GradScaler scaler = On(parameters[0].Place, "optimizer");
        if (_stepped.Contains(optimizer))
            throw new InvalidOperationException("unscale_ is called after step; it belongs before it.");
        if (parameters.Any(parameter => parameter.Gradient is { DType: DType.Float16, Pointer: not 0 }))
            throw new InvalidOperationException(
                "Attempting to unscale float16 gradients: dividing them in float16 would lose what scaling saved. "
                    + "Clip by a fused optimizer's own clip_grad_norm_, which needs no unscale_; its step divides in "
                    + "float32."
            );
        using (_place!.OnTorchsStream())
            scaler.Unscale(core, inPlace: true);
        _unscaled.Add(optimizer);
    }

    /// <summary>Takes a fused optimizer's step, which is skipped if a gradient is not finite.</summary>
    /// <returns>The result, which can be read later, so that the host need not wait for the device.</returns>
    /// <exception cref="InvalidOperationException">The step was taken already, no parameter has a gradient, or one
    /// cannot be used.</exception>
    public StepResult step(FusedOptimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return optimizer.TakeStep(scaler: null);
        StepResult result = optimizer.TakeStep(On(optimizer.Trained[0].Place, "optimizer"));
        _stepped.Add(optimizer);
        return result;
    }

    /// <summary>
    /// Takes the step of one of TorchSharp's own optimizers: unscales its gradients in memory, waits for the check, and
    /// steps if all are finite.
    /// </summary>
    /// <returns>Whether the step was taken.</returns>
    /// <exception cref="InvalidOperationException">The step was taken already, no parameter has a gradient, or one
    /// cannot be used.</exception>
    public bool step(torch.optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (optimizer is FusedOptimizer fused)
            return step(fused).Read().Stepped;
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (is_enabled())
        {
            if (_stepped.Contains(optimizer))
                throw new InvalidOperationException(
                    "step has already been called on this optimizer since the last update."
                );
            if (!_unscaled.Contains(optimizer))
                unscale_(optimizer);
            _stepped.Add(optimizer);
            if (Checked(optimizer).Core.State.Read().FoundInf)
                return false;
        }
        optimizer.step();
        return true;
    }

    /// <summary>Updates the scale by the checks since the last update, and begins the next step.</summary>
    /// <exception cref="InvalidOperationException">Neither step nor unscale_ was called since the last
    /// update.</exception>
    public void update()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return;
        if (_core is null)
            throw new InvalidOperationException(
                "No inf checks were recorded prior to update: call step or unscale_ for an optimizer first."
            );
        using (_place!.OnTorchsStream())
            _core.Update();
        BeginNextStep();
    }

    /// <summary>Sets the scale, and begins the next step.</summary>
    /// <exception cref="ArgumentException">It is not finite or not above 0.</exception>
    public void update(double new_scale)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return;
        if (!((float)new_scale > 0 && float.IsFinite((float)new_scale)))
            throw new ArgumentOutOfRangeException(
                nameof(new_scale),
                new_scale,
                "A loss scale must be finite and above 0."
            );
        if (_core is null)
        {
            _beforeUse = _beforeUse with { Scale = (float)new_scale };
            return;
        }
        using (_place!.OnTorchsStream())
            _core.Update((float)new_scale);
        BeginNextStep();
    }

    /// <summary>
    /// The state, with PyTorch's keys: "scale", "growth_factor", "backoff_factor", "growth_interval" and
    /// "_growth_tracker". Empty when disabled.
    /// </summary>
    public Dictionary<string, double> state_dict()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return [];
        GradScalerState state = State();
        return new(StringComparer.Ordinal)
        {
            [Scale] = state.Scale,
            [GrowthFactor] = _options.GrowthFactor,
            [BackoffFactor] = _options.BackoffFactor,
            [GrowthInterval] = _options.GrowthInterval,
            [GrowthTracker] = state.GrowthTracker,
        };
    }

    /// <summary>Sets the state, and begins a step. When disabled it does nothing.</summary>
    /// <exception cref="ArgumentException">A key is missing, as it is in the state of a disabled scaler, or a value is
    /// not possible; nothing was changed.</exception>
    public void load_state_dict(IReadOnlyDictionary<string, double> state_dict)
    {
        ArgumentNullException.ThrowIfNull(state_dict);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!is_enabled())
            return;
        GradScalerOptions options = _options with
        {
            GrowthFactor = Value(GrowthFactor),
            BackoffFactor = Value(BackoffFactor),
            GrowthInterval = Count(GrowthInterval),
        };
        var state = new GradScalerState { Scale = (float)Value(Scale), GrowthTracker = Count(GrowthTracker) };
        EnsurePossible(options, state);
        (_options, _beforeUse) = (options, state);
        // Its options cannot change: the next use makes another, with this state.
        _core?.Dispose();
        _core = null;
        BeginNextStep();

        double Value(string key) =>
            state_dict.TryGetValue(key, out double value)
                ? value
                : throw new ArgumentException(
                    $"The state has no '{key}'. Was it saved by a scaler that was disabled?",
                    nameof(state_dict)
                );

        int Count(string key) =>
            Value(key) is var value && value == Math.Floor(value) && Math.Abs(value) < int.MaxValue
                ? (int)value
                : throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"'{key}' is {value}, which is no count."),
                    nameof(state_dict)
                );
    }

    /// <summary>Gives the state's memory back.</summary>
    public void Dispose()
    {
        _disposed = true;
        _core?.Dispose();
        foreach ((_, PlainOptimizer plain) in _plain)
            plain.Dispose();
    }

    // The core's own checks, on the CPU, which is always there.
    private static void EnsurePossible(GradScalerOptions options, GradScalerState state)
    {
        using var scaler = new NativeAmp.GradScaler(TorchPlace.Cpu.Device, options);
        scaler.LoadState(state);
    }

    private NativeAmp.GradScaler On(TorchPlace place, string whose)
    {
        if (_core is not null && _place != place)
            throw new InvalidOperationException(
                $"The {whose} is on {place}, the scaler on {_place}, as the first loss or optimizer that it saw. Take "
                    + "a scaler for each device."
            );
        if (_core is null)
        {
            var core = new NativeAmp.GradScaler(place.Device, _options);
            core.LoadState(_beforeUse);
            (_core, _place) = (core, place);
        }
        return _core;
    }

    private GradScalerState State()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_core is null)
            return _beforeUse;
        using (_place!.OnTorchsStream())
            return _core.SaveState();
    }

    private (NativeAmp.FusedOptimizer Core, IReadOnlyList<TorchParameter> Parameters) Checked(
        torch.optim.Optimizer optimizer
    )
    {
        if (optimizer is FusedOptimizer fused)
            return (fused.Core, fused.Trained);
        if (_plain.TryGetValue(optimizer, out PlainOptimizer? plain) && !plain.IsOf(optimizer))
        {
            if (_unscaled.Contains(optimizer))
                throw new InvalidOperationException(
                    "The optimizer got other parameters after unscale_, which has not checked them: call update first."
                );
            _plain.Remove(optimizer);
            plain.Dispose();
            plain = null;
        }
        if (plain is null)
            _plain.Add(optimizer, plain = new PlainOptimizer(optimizer));
        return (plain.Core, plain.Parameters);
    }

    private void BeginNextStep()
    {
        _unscaled.Clear();
        _stepped.Clear();
    }
}
