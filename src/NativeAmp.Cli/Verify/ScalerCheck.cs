namespace NativeAmp.Cli.Verify;

/// <summary>scaler.json: scale and growth tracker after each update, with the PyTorch preset.</summary>
internal static class ScalerCheck
{
    public static IReadOnlyList<VerifyRow> Run(string path, ScalerFile file, Device device)
    {
        var form = new GoldenForm(path);
        ScalerCase[] cases = form.Objects(file.Cases, "cases");
        foreach (ScalerCase golden in cases)
        {
            form.Steps(form.Required(golden.FoundInf, "foundInf").Length);
            form.SameLength("scales and trackers", golden.FoundInf.Length, golden.Scales, golden.Trackers);
            form.Require(float.IsFinite(golden.Init) && golden.Init > 0, $"init {golden.Init}", "a number above 0");
            form.Require(golden.GrowthInterval > 0, $"growthInterval {golden.GrowthInterval}", "1 or more");
            form.Require(
                golden.GrowthFactor is >= 1 and < double.PositiveInfinity,
                $"growthFactor {golden.GrowthFactor}",
                "1 or more"
            );
            form.Require(
                golden.BackoffFactor is > 0 and <= 1,
                $"backoffFactor {golden.BackoffFactor}",
                "above 0, at most 1"
            );
        }

        return [.. cases.Select((golden, i) => Run(Path.GetFileName(path), i, golden, device))];
    }

    private static VerifyRow Run(string file, int index, ScalerCase golden, Device device)
    {
        GradScalerOptions options = GradScalerOptions.PyTorch with
        {
            InitialScale = golden.Init,
            GrowthFactor = golden.GrowthFactor,
            BackoffFactor = golden.BackoffFactor,
            GrowthInterval = golden.GrowthInterval,
        };
        using var scaler = new LossScaleState(device, new GradScalerState { Scale = golden.Init });
        using OptimizerState good = Checked(device, 1);
        using OptimizerState overflown = Checked(device, float.PositiveInfinity);

        var comparison = new Comparison(
            file,
            FormattableString.Invariant($"{index} init={golden.Init} interval={golden.GrowthInterval}"),
            Tolerance.Exact
        );
        float[] scales = new float[golden.Scales.Length];
        for (int i = 0; i < scales.Length; i++)
        {
            AmpKernels.UpdateScale(scaler, [golden.FoundInf[i] != 0 ? overflown : good], options);
            GradScalerState after = scaler.Read();
            scales[i] = after.Scale;
            comparison.Same(FormattableString.Invariant($"tracker[{i}]"), golden.Trackers[i], after.GrowthTracker);
        }

        return comparison.Add("scale", golden.Scales, scales).Row();
    }

    /// <summary>The state of an optimizer after one gradient was checked.</summary>
    private static OptimizerState Checked(Device device, float gradient)
    {
        using DeviceBuffer buffer = device.Allocate<float>([gradient]);
        using TensorTable table = TensorTable.Create(device, [1], [buffer.ToCell()]);
        var state = new OptimizerState(device);
        AmpKernels.UnscaleAndCheck(table, 0, null, state);
        return state;
    }
}
