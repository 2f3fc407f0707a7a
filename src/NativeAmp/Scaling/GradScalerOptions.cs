using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>When the tolerance for overflows is restored.</summary>
public enum HysteresisRefill
{
    /// <summary>Only when the scale grows, as in Megatron and DeepSpeed.</summary>
    OnGrowth = 0,

    /// <summary>At every good step, as in Apex.</summary>
    OnGoodStep = 1,
}

/// <summary>The initial loss scale, and how it changes. Immutable; <see cref="Disabled"/> turns scaling off.</summary>
/// <remarks>
/// The defaults are PyTorch's, with a floor and a ceiling: between them the scale and its inverse are normal float32
/// numbers. Under every setting, a scale that would become infinite stays as it is, and a scale of 2^-128 or less,
/// whose inverse is not finite, skips every step as an overflow does. In these two points a preset may differ from its
/// original. At every other step the tests hold it to the original's rule, over traces. If a loaded state's tracker is
/// beyond the interval, the scale grows at once; originals that test for equality never grow then.
/// </remarks>
public sealed record GradScalerOptions
{
    /// <summary>
    /// The rule of <c>torch.amp.GradScaler</c> in PyTorch 2.10: from 2^16, doubled after 2,000 good steps, halved by
    /// every overflow, without a floor.
    /// </summary>
    public static GradScalerOptions PyTorch { get; } =
        new() { MinimumScale = 0, MaximumScale = float.PositiveInfinity };

    /// <summary>
    /// The dynamic loss scale of DeepSpeed 0.17.1 to 0.19.6 (runtime/fp16/loss_scaler.py, DynamicLossScaler with the
    /// configuration's defaults): from 2^16, doubled after 1,000 good steps, where the first growth after the start or
    /// an overflow needs one more; two overflows to a backoff; a floor of 1, where one more overflow ends the run with
    /// a <see cref="TooManySkipsException"/>.
    /// </summary>
    /// <remarks>
    /// DeepSpeed until 0.17.0: <c>with { FirstGrowthDelay = 0 }</c>. Its FP16_Optimizer stays at the floor: <c>with {
    /// StopAtMinimumScale = false }</c>.
    /// </remarks>
    public static GradScalerOptions DeepSpeed { get; } =
        new()
        {
            GrowthInterval = 1000,
            MinimumScale = 1,
            MaximumScale = float.PositiveInfinity,
            Hysteresis = 2,
            FirstGrowthDelay = 1,
            StopAtMinimumScale = true,
        };

    /// <summary>
    /// Megatron-LM's DynamicGradScaler (core/optimizer/grad_scaler.py, of 2026): from 2^32, doubled after 1,000 good
    /// steps, two overflows to a backoff, a floor of 1.
    /// </summary>
    public static GradScalerOptions Megatron { get; } =
        DeepSpeed with
        {
            InitialScale = 4294967296f,
            FirstGrowthDelay = 0,
            StopAtMinimumScale = false,
        };

    /// <summary>Keras 3.16's LossScaleOptimizer: PyTorch's rule from 2^15.</summary>
    public static GradScalerOptions Keras { get; } = PyTorch with { InitialScale = 32768f };

    /// <summary>
    /// MindSpore 2's DynamicLossScaleManager (train/loss_scale_manager.py): PyTorch's rule from 2^24 with a floor of 1;
    /// more than 1,000 overflows in a row end the run with a <see cref="TooManySkipsException"/>.
    /// </summary>
    public static GradScalerOptions MindSpore { get; } =
        PyTorch with
        {
            InitialScale = 16777216f,
            MinimumScale = 1,
            MaximumConsecutiveSkips = 1001,
        };

    /// <summary>
    /// No scaling: <see cref="GradScaler.Step"/> is the optimizer's own, and <see cref="GradScaler.Update()"/> does
    /// nothing.
    /// </summary>
    public static GradScalerOptions Disabled { get; } = new() { Enabled = false, InitialScale = 1 };

    /// <summary>Whether gradients are scaled at all.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>The scale to begin with, finite and above 0.</summary>
    public float InitialScale { get; init; } = 65536f;

    /// <summary>Factor of the scale when it grows: above 1, or 1 to never grow.</summary>
    public double GrowthFactor { get; init; } = 2.0;

    /// <summary>
    /// Factor of the scale on overflow, in (0, 1]. With 1 the scale stays, and steps are still skipped.
    /// </summary>
    public double BackoffFactor { get; init; } = 0.5;

    /// <summary>Consecutive good steps after which the scale grows; 1 or more.</summary>
    public int GrowthInterval { get; init; } = 2000;

    /// <summary>
    /// Good steps beyond <see cref="GrowthInterval"/> that the first growth after the start or an overflow needs; 0 or
    /// more.
    /// </summary>
    public int FirstGrowthDelay { get; init; }

    /// <summary>The scale never backs off below it; 0 for no floor.</summary>
    public float MinimumScale { get; init; } = 1.17549435e-38f;

    /// <summary>The scale never grows above it; infinity for no ceiling.</summary>
    public float MaximumScale { get; init; } = 8.50705917e37f;

    /// <summary>Overflows before the scale backs off; 1 for every overflow.</summary>
    public int Hysteresis { get; init; } = 1;

    /// <summary>When the tolerance for overflows is restored.</summary>
    public HysteresisRefill HysteresisRefill { get; init; }

    /// <summary>
    /// Number of consecutive skipped steps that is too many; 0 for no limit. See <see cref="OnTooManySkips"/>.
    /// </summary>
    /// <remarks>
    /// Checked after every update on the CPU. On a GPU every <see cref="MaximumConsecutiveSkips"/>th update asks for
    /// the count and does not wait for it: the first update that finds it there judges it. So the limit may be noticed
    /// that many updates later, and as many more as the host is ahead of the device.
    /// </remarks>
    public int MaximumConsecutiveSkips { get; init; }

    /// <summary>
    /// Whether an overflow counts as too many skips if the scale is at <see cref="MinimumScale"/> and no tolerance is
    /// left: the scale cannot back off any more.
    /// </summary>
    /// <remarks>
    /// Checked after every update on the CPU. On a GPU every 64th asks, and the first update that finds the answer
    /// there judges it, as for <see cref="MaximumConsecutiveSkips"/>.
    /// </remarks>
    public bool StopAtMinimumScale { get; init; }

    /// <summary>
    /// Called when there are too many skips, with the scaler's state; null to throw <see cref="TooManySkipsException"/>
    /// instead.
    /// </summary>
    public Action<GradScalerState>? OnTooManySkips { get; init; }

    /// <summary>A constant scale. Steps that overflow are still skipped.</summary>
    public static GradScalerOptions Static(float scale) =>
        new()
        {
            InitialScale = scale,
            GrowthFactor = 1,
            BackoffFactor = 1,
            MinimumScale = 0,
            MaximumScale = float.PositiveInfinity,
        };

    internal NampScalerOptions ToNative()
    {
        var options = NampScalerOptions.Create();
        options.GrowthInterval = GrowthInterval;
        options.GrowthFactor = GrowthFactor;
        options.BackoffFactor = BackoffFactor;
        options.MinimumScale = MinimumScale;
        options.MaximumScale = MaximumScale;
        options.Hysteresis = Hysteresis;
        options.HysteresisRefill = (int)HysteresisRefill;
        options.GrowthDelay = FirstGrowthDelay;
        return options;
    }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">A value is not possible.</exception>
    internal void Validate()
    {
        Check(
            float.IsFinite(InitialScale) && InitialScale > 0,
            nameof(InitialScale),
            InitialScale,
            "finite and above 0"
        );
        Check(
            double.IsFinite(GrowthFactor) && GrowthFactor >= 1,
            nameof(GrowthFactor),
            GrowthFactor,
            "finite, above 1, or 1 for never"
        );
        Check(BackoffFactor is > 0 and <= 1, nameof(BackoffFactor), BackoffFactor, "above 0 and at most 1");
        Check(GrowthInterval >= 1, nameof(GrowthInterval), GrowthInterval, "1 or more");
        Check(FirstGrowthDelay >= 0, nameof(FirstGrowthDelay), FirstGrowthDelay, "0 or more");
        Check(
            float.IsFinite(MinimumScale) && MinimumScale >= 0,
            nameof(MinimumScale),
            MinimumScale,
            "finite and not negative"
        );
        Check(
            MaximumScale > 0 && MaximumScale >= MinimumScale,
            nameof(MaximumScale),
            MaximumScale,
            $"above 0 and not below {nameof(MinimumScale)}"
        );
        Check(
            InitialScale >= MinimumScale && InitialScale <= MaximumScale,
            nameof(InitialScale),
            InitialScale,
            $"between {nameof(MinimumScale)} and {nameof(MaximumScale)}"
        );
        Check(Hysteresis >= 1, nameof(Hysteresis), Hysteresis, "1 or more");
        Check(Enum.IsDefined(HysteresisRefill), nameof(HysteresisRefill), HysteresisRefill, "one of its names");
        Check(MaximumConsecutiveSkips >= 0, nameof(MaximumConsecutiveSkips), MaximumConsecutiveSkips, "0 or more");
    }

    private static void Check(bool valid, string name, object value, string expected)
    {
        if (!valid)
            throw new ArgumentException(
                FormattableString.Invariant($"The {name} of a gradient scaler is {value}; it must be {expected}.")
            );
    }
}
