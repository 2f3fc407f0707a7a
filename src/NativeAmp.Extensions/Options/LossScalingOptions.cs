namespace NativeAmp.Extensions;

/// <summary>How losses are scaled: a preset, and what is to differ from it.</summary>
public sealed class LossScalingOptions
{
    private static readonly Dictionary<string, GradScalerOptions> Presets = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(GradScalerOptions.PyTorch)] = GradScalerOptions.PyTorch,
        [nameof(GradScalerOptions.DeepSpeed)] = GradScalerOptions.DeepSpeed,
        [nameof(GradScalerOptions.Megatron)] = GradScalerOptions.Megatron,
        [nameof(GradScalerOptions.Keras)] = GradScalerOptions.Keras,
        [nameof(GradScalerOptions.MindSpore)] = GradScalerOptions.MindSpore,
    };

    /// <summary>Whether to scale; null where <see cref="PrecisionPolicy.NeedsLossScale"/>.</summary>
    public bool? Enabled { get; set; }

    /// <summary>
    /// <c>PyTorch</c>, <c>DeepSpeed</c>, <c>Megatron</c>, <c>Keras</c> or <c>MindSpore</c>, as in
    /// <see cref="GradScalerOptions"/>; null for its defaults.
    /// </summary>
    public string? Preset { get; set; }

    /// <summary>As <see cref="GradScalerOptions.InitialScale"/>; null for the preset's, as for those below.</summary>
    public float? InitialScale { get; set; }

    /// <summary>As <see cref="GradScalerOptions.GrowthFactor"/>.</summary>
    public double? GrowthFactor { get; set; }

    /// <summary>As <see cref="GradScalerOptions.BackoffFactor"/>.</summary>
    public double? BackoffFactor { get; set; }

    /// <summary>As <see cref="GradScalerOptions.GrowthInterval"/>.</summary>
    public int? GrowthInterval { get; set; }

    /// <summary>As <see cref="GradScalerOptions.MinimumScale"/>.</summary>
    public float? MinimumScale { get; set; }

    /// <summary>As <see cref="GradScalerOptions.MaximumScale"/>.</summary>
    public float? MaximumScale { get; set; }

    /// <summary>As <see cref="GradScalerOptions.Hysteresis"/>.</summary>
    public int? Hysteresis { get; set; }

    /// <summary>As <see cref="GradScalerOptions.MaximumConsecutiveSkips"/>.</summary>
    public int? MaximumConsecutiveSkips { get; set; }

    internal GradScalerOptions ToGradScalerOptions(PrecisionPolicy precision)
    {
        GradScalerOptions? preset = null;
        if (Preset is not null && !Presets.TryGetValue(Preset, out preset))
            throw new ArgumentException(
                $"'{Preset}' is no preset of loss scaling; there are {string.Join(", ", Presets.Keys)}."
            );
        if (!(Enabled ?? precision.NeedsLossScale))
            return GradScalerOptions.Disabled;
        preset ??= new GradScalerOptions();
        return preset with
        {
            InitialScale = InitialScale ?? preset.InitialScale,
            GrowthFactor = GrowthFactor ?? preset.GrowthFactor,
            BackoffFactor = BackoffFactor ?? preset.BackoffFactor,
            GrowthInterval = GrowthInterval ?? preset.GrowthInterval,
            MinimumScale = MinimumScale ?? preset.MinimumScale,
            MaximumScale = MaximumScale ?? preset.MaximumScale,
            Hysteresis = Hysteresis ?? preset.Hysteresis,
            MaximumConsecutiveSkips = MaximumConsecutiveSkips ?? preset.MaximumConsecutiveSkips,
        };
    }
}
