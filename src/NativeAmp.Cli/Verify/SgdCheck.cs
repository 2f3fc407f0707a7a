namespace NativeAmp.Cli.Verify;

/// <summary>sgd.json: the fused SGD step over raw memory, against libtorch's fused SGD.</summary>
internal static class SgdCheck
{
    public static IReadOnlyList<VerifyRow> Run(string path, SgdFile file, Device device)
    {
        var form = new GoldenForm(path);
        SgdCase[] cases = form.Objects(file.Cases, "cases");
        foreach (SgdCase golden in cases)
        {
            golden.Steps.Check(form, golden.After);
            foreach (SgdState after in form.Objects(golden.After, "after"))
            {
                if (after.P is not null)
                    form.SameLength("values of p", golden.P0.Length, after.P);
                if (after.MomentumBuffer is not null)
                    form.SameLength("values of momentumBuffer", golden.P0.Length, after.MomentumBuffer);
            }

            form.Require(
                golden.Momentum != 0 || golden.After.All(after => after.MomentumBuffer is null),
                "a momentumBuffer without momentum",
                "none"
            );
        }

        return [.. cases.Select((golden, i) => Run(Path.GetFileName(path), i, golden, device))];
    }

    private static VerifyRow Run(string file, int index, SgdCase golden, Device device)
    {
        var options = new SgdOptions
        {
            LearningRate = golden.Lr,
            Momentum = golden.Momentum,
            Dampening = golden.Dampening,
            Nesterov = golden.Nesterov,
            WeightDecay = golden.WeightDecay,
            Maximize = golden.Maximize,
        };
        var comparison = new Comparison(file, Name(index, golden), Tolerance.Sgd);
        golden.Steps.Take(
            device,
            options,
            states: golden.Momentum == 0 ? 0 : 1,
            (step, p, states, _) =>
            {
                SgdState after = golden.After[step];
                if (after.P is not null)
                    comparison.Add($"step {step} p", after.P, p);
                if (after.MomentumBuffer is not null)
                    comparison.Add($"step {step} momentumBuffer", after.MomentumBuffer, states[0]);
            }
        );
        return comparison.Row();
    }

    private static string Name(int index, SgdCase golden) =>
        string.Concat(
            FormattableString.Invariant($"{index} momentum={golden.Momentum} wd={golden.WeightDecay}"),
            golden.Dampening != 0 ? FormattableString.Invariant($" dampening={golden.Dampening}") : "",
            golden.Nesterov ? " nesterov" : "",
            golden.Maximize ? " maximize" : "",
            golden.GradScale is { } scale ? FormattableString.Invariant($" scale={scale}") : ""
        );
}
