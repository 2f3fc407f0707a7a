namespace NativeAmp.Cli.Verify;

/// <summary>
/// adam.json: the fused Adam step over raw memory, six steps a case, against libtorch's fused Adam and AdamW.
/// </summary>
internal static class AdamCheck
{
    // Columns of the table.
    private const int Gradient = 1;
    private const int LargestSecondMoment = 4;

    public static IReadOnlyList<VerifyRow> Run(string path, AdamFile file, Device device)
    {
        var form = new GoldenForm(path);
        AdamCase[] cases = form.Objects(file.Cases, "cases");
        foreach (AdamCase golden in cases)
            Check(form, golden);
        return [.. cases.Select((golden, i) => Run(Path.GetFileName(path), i, golden, device))];
    }

    private static void Check(GoldenForm form, AdamCase golden)
    {
        form.Require(golden.Mode is "adam" or "adamw", $"mode '{golden.Mode}'", "adam or adamw");
        form.Required(golden.P0, "p0");
        form.Required(golden.Grads, "grads");
        form.SameLength("steps of foundInf and after", golden.Grads.Length, golden.FoundInf, golden.After);
        form.SameLength("values of a gradient", golden.P0.Length, golden.Grads);
        foreach (AdamState after in golden.After)
        {
            form.SameLength("values of p, m and v", golden.P0.Length, after?.P, after?.M, after?.V);
            if (golden.Amsgrad)
                form.SameLength("values of vmax", golden.P0.Length, after!.Vmax);
        }

        // A step that overflows has to be made one, which takes a scale to check against.
        form.Require(
            golden.GradScale is not null || !golden.FoundInf.Contains(1),
            "an overflow without gradScale",
            "a gradScale"
        );
        form.Require(
            golden.GradScale is null or > 0 and < float.PositiveInfinity,
            $"gradScale {golden.GradScale}",
            "a number above 0"
        );
    }

    private static VerifyRow Run(string file, int index, AdamCase golden, Device device)
    {
        float[] zeros = new float[golden.P0.Length];
        using DeviceBuffer p = device.Allocate<float>(golden.P0);
        using DeviceBuffer g = device.Allocate<float>(zeros);
        using DeviceBuffer m = device.Allocate<float>(zeros);
        using DeviceBuffer v = device.Allocate<float>(zeros);
        using DeviceBuffer vmax = device.Allocate<float>(zeros);
        using TensorTable table = TensorTable.Create(
            device,
            [p.Count],
            [p.ToCell()],
            [g.ToCell()],
            [m.ToCell()],
            [v.ToCell()],
            [vmax.ToCell()]
        );
        using var state = new OptimizerState(device);
        using var steps = new StepCounts(device, tensorCount: 1);
        using LossScaleState? scaler = golden.GradScale is { } scale
            ? new LossScaleState(device, new GradScalerState { Scale = scale })
            : null;
        AdamOptions[] options =
        [
            new()
            {
                LearningRate = golden.Lr,
                Beta1 = golden.Beta1,
                Beta2 = golden.Beta2,
                Epsilon = golden.Eps,
                WeightDecay = golden.WeightDecay,
                Decoupled = golden.Mode == "adamw",
                AmsGrad = golden.Amsgrad,
                Maximize = golden.Maximize,
            },
        ];
        var columns = new OptimizerColumns { ThirdState = golden.Amsgrad ? LargestSecondMoment : -1 };

        var comparison = new Comparison(file, Name(index, golden), Tolerance.Adam);
        for (int step = 0; step < golden.Grads.Length; step++)
        {
            float[] gradient = [.. golden.Grads[step]];
            if (golden.FoundInf[step] != 0)
                gradient[step % gradient.Length] = float.PositiveInfinity; // what makes a step overflow
            g.CopyFrom<float>(gradient);
            AmpKernels.UnscaleAndCheck(table, Gradient, scaler, state);
            AmpKernels.OptimizerStep(table, columns, options, steps, scaler, state, new OptimizerStepOptions());

            AdamState after = golden.After[step];
            comparison
                .Add($"step {step} p", after.P, p.ToArray<float>())
                .Add($"step {step} m", after.M, m.ToArray<float>())
                .Add($"step {step} v", after.V, v.ToArray<float>())
                .Same($"step {step} count", after.Step, steps.Read()[0]);
            if (golden.Amsgrad)
                comparison.Add($"step {step} vmax", after.Vmax, vmax.ToArray<float>());
        }

        return comparison.Row();
    }

    private static string Name(int index, AdamCase golden) =>
        string.Concat(
            FormattableString.Invariant($"{index} {golden.Mode} wd={golden.WeightDecay}"),
            golden.Amsgrad ? " amsgrad" : "",
            golden.Maximize ? " maximize" : "",
            golden.GradScale is { } scale ? FormattableString.Invariant($" scale={scale}") : ""
        );
}
