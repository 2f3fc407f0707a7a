namespace NativeAmp.Cli.Verify;

/// <summary>
/// adam.json: the fused Adam step over raw memory, six steps a case, against libtorch's fused Adam and AdamW.
/// </summary>
internal static class AdamCheck
{
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
        golden.Steps.Check(form, golden.After);
        foreach (AdamState after in golden.After)
        {
            form.SameLength("values of p, m and v", golden.P0.Length, after?.P, after?.M, after?.V);
            if (golden.Amsgrad)
                form.SameLength("values of vmax", golden.P0.Length, after!.Vmax);
        }
    }

    private static VerifyRow Run(string file, int index, AdamCase golden, Device device)
    {
        var options = new AdamOptions
        {
            LearningRate = golden.Lr,
            Beta1 = golden.Beta1,
            Beta2 = golden.Beta2,
            Epsilon = golden.Eps,
            WeightDecay = golden.WeightDecay,
            Decoupled = golden.Mode == "adamw",
            AmsGrad = golden.Amsgrad,
            Maximize = golden.Maximize,
        };
        var comparison = new Comparison(file, Name(index, golden), Tolerance.Adam);
        golden.Steps.Take(
            device,
            options,
            states: golden.Amsgrad ? 3 : 2,
            (step, p, states, count) =>
            {
                AdamState after = golden.After[step];
                comparison
                    .Add($"step {step} p", after.P, p)
                    .Add($"step {step} m", after.M, states[0])
                    .Add($"step {step} v", after.V, states[1])
                    .Same($"step {step} count", after.Step, count);
                if (golden.Amsgrad)
                    comparison.Add($"step {step} vmax", after.Vmax, states[2]);
            }
        );
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
