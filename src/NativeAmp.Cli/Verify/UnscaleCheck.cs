namespace NativeAmp.Cli.Verify;

/// <summary>unscale.json: gradients of every type unscaled in place, and whether one was not finite.</summary>
internal static class UnscaleCheck
{
    public static IReadOnlyList<VerifyRow> Run(string path, UnscaleFile file, Device device)
    {
        var form = new GoldenForm(path);
        UnscaleCase[] cases = form.Objects(file.Cases, "cases");
        foreach (UnscaleCase golden in cases)
        {
            form.Require(
                golden.Dtype is "Float32" or "Float16" or "BFloat16",
                $"dtype '{golden.Dtype}'",
                "Float32, Float16 or BFloat16"
            );
            form.SameLength("values of output", form.Required(golden.Input, "input").Length, golden.Output);
            form.Require(float.IsFinite(golden.Scale) && golden.Scale > 0, $"scale {golden.Scale}", "a number above 0");
        }

        return [.. cases.Select((golden, i) => Run(Path.GetFileName(path), i, golden, device))];
    }

    private static VerifyRow Run(string file, int index, UnscaleCase golden, Device device)
    {
        (float[] output, bool foundInf) = golden.Dtype switch
        {
            "Float16" => Unscale(device, golden, value => (Half)value, value => (float)value),
            "BFloat16" => Unscale(device, golden, value => (BFloat16)value, value => (float)value),
            _ => Unscale(device, golden, value => value, value => value),
        };
        return new Comparison(
            file,
            FormattableString.Invariant($"{index} {golden.Dtype} scale={golden.Scale} found={golden.FoundInf}"),
            Tolerance.Exact
        )
            .Add("output", golden.Output, output)
            .Same("found_inf", golden.FoundInf != 0 ? 1 : 0, foundInf ? 1 : 0)
            .Row();
    }

    private static (float[] Output, bool FoundInf) Unscale<T>(
        Device device,
        UnscaleCase golden,
        Converter<float, T> narrow,
        Converter<T, float> widen
    )
        where T : unmanaged
    {
        using DeviceBuffer gradient = device.Allocate<T>(Array.ConvertAll(golden.Input, narrow));
        using TensorTable table = TensorTable.Create(device, [gradient.Count], [gradient.ToCell()]);
        using var scaler = new LossScaleState(device, new GradScalerState { Scale = golden.Scale });
        using var state = new OptimizerState(device);
        AmpKernels.UnscaleAndCheck(table, 0, scaler, state, writeColumn: 0);
        return (Array.ConvertAll(gradient.ToArray<T>(), widen), state.Read().FoundInf);
    }
}
