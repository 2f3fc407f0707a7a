namespace NativeAmp.Cli.Verify;

/// <summary>layers.json: every operator forward and backward in float32.</summary>
internal static class LayersCheck
{
    public static IReadOnlyList<VerifyRow> Run(string path, LayersFile file, Device device)
    {
        var form = new GoldenForm(path);
        string name = Path.GetFileName(path);
        List<VerifyRow> rows = [];
        LayerOperators? last = null;
        LayerCase[] cases = form.Objects(file.Ops, "ops");
        for (int i = 0; i < cases.Length; i++)
        {
            form.Required(cases[i]?.Name, "name of an operator");
            if (cases[i].Name == "batchnorm2d_running")
            {
                rows.Add(Running(form, name, i, cases[i], last));
                continue;
            }

            last = new LayerOperators(form, device, cases[i]);
            rows.Add(Run(form, name, i, cases[i], last));
        }

        return rows;
    }

    private static VerifyRow Run(GoldenForm form, string file, int index, LayerCase golden, LayerOperators operators)
    {
        GoldenTensor output = form.Tensor(golden.Output, "output");
        GoldenTensor outputGradient = form.Tensor(golden.OutputGrad, "outputGrad", output.Shape);
        Dictionary<string, GoldenTensor> gradients = form.Required(golden.Grads, "grads");
        foreach ((string input, GoldenTensor gradient) in gradients)
            form.Tensor(gradient, $"gradient of {input}");

        var comparison = new Comparison(file, $"{index} {golden.Name}", Tolerance.Layers);
        try
        {
            LayerResult result = operators.Compute(golden.Name, outputGradient);
            comparison.Add("output", output.Data, result.Output);
            foreach ((string input, GoldenTensor gradient) in gradients)
                comparison.Add($"gradient of {input}", gradient.Data, result.Gradients.GetValueOrDefault(input) ?? []);
        }
        catch (ArgumentException e)
        {
            // The shapes of the golden file do not fit the operator, whose message says which.
            throw form.Bad($"{golden.Name} of shapes it does not take ({e.Message})", "inputs that fit each other");
        }

        return comparison.Row();
    }

    private static VerifyRow Running(GoldenForm form, string file, int index, LayerCase golden, LayerOperators? last)
    {
        if (last?.RunningMean is null || last.RunningVariance is null)
            throw form.Bad("batchnorm2d_running first", "batchnorm2d before it");
        return new Comparison(file, $"{index} {golden.Name}", Tolerance.Layers)
            .Add("running mean", form.Required(golden.RunningMean, "runningMean"), last.RunningMean)
            .Add("running variance", form.Required(golden.RunningVar, "runningVar"), last.RunningVariance)
            .Row();
    }
}
