namespace NativeAmp.Cli.Verify;

/// <summary>The steps of adam.json and sgd.json: what both hold of a case, and what the optimizer is given.</summary>
/// <param name="Parameter">The parameter before the first step.</param>
/// <param name="Gradients">One a step, of the parameter's length, multiplied by the scale.</param>
/// <param name="FoundInf">1 at each step that overflows.</param>
/// <param name="GradScale">The loss scale; null for none.</param>
internal sealed record OptimizerRun(float[] Parameter, float[][] Gradients, int[] FoundInf, float? GradScale)
{
    private const int Gradient = 1; // the table's column

    /// <summary>Checks that the parts fit together, and that there are as many results as steps.</summary>
    public void Check(GoldenForm form, Array after)
    {
        form.Required(Parameter, "p0");
        form.Required(Gradients, "grads");
        form.SameLength("steps of foundInf and after", Gradients.Length, FoundInf, after);
        form.SameLength("values of a gradient", Parameter.Length, Gradients);
        // A step that overflows has to be made one, which takes a scale to check against.
        form.Require(GradScale is not null || !FoundInf.Contains(1), "an overflow without gradScale", "a gradScale");
        form.Require(
            GradScale is null or > 0 and < float.PositiveInfinity,
            $"gradScale {GradScale}",
            "a number above 0"
        );
    }

    /// <summary>Takes the steps over raw memory, each by the fused check and the fused step.</summary>
    /// <param name="device">The device.</param>
    /// <param name="options">The rule and its hyperparameters.</param>
    /// <param name="states">Tensors of state of the parameter, zeros at first.</param>
    /// <param name="after">Is given the step's index, the parameter, the states and the count of applied steps.</param>
    public void Take(Device device, OptimizerOptions options, int states, Action<int, float[], float[][], long> after)
    {
        float[] zeros = new float[Parameter.Length];
        List<DeviceBuffer> columns = [device.Allocate<float>(Parameter), device.Allocate<float>(zeros)];
        try
        {
            for (int i = 0; i < states; i++)
                columns.Add(device.Allocate<float>(zeros));
            using TensorTable table = TensorTable.Create(
                device,
                [Parameter.Length],
                [.. columns.Select(column => new[] { column.ToCell() })]
            );
            using var state = new OptimizerState(device);
            using var steps = new StepCounts(device, tensorCount: 1);
            using LossScaleState? scaler = GradScale is { } scale
                ? new LossScaleState(device, new GradScalerState { Scale = scale })
                : null;
            OptimizerColumns where = OptimizerColumns.OfStates(states);
            for (int step = 0; step < Gradients.Length; step++)
            {
                float[] gradient = [.. Gradients[step]];
                if (FoundInf[step] != 0)
                    gradient[step % gradient.Length] = float.PositiveInfinity; // what makes a step overflow
                columns[Gradient].CopyFrom<float>(gradient);
                AmpKernels.UnscaleAndCheck(table, Gradient, scaler, state);
                AmpKernels.OptimizerStep(table, where, [options], steps, scaler, state, new OptimizerStepOptions());
                after(
                    step,
                    columns[0].ToArray<float>(),
                    [.. columns.Skip(2).Select(column => column.ToArray<float>())],
                    steps.Read()[0]
                );
            }
        }
        finally
        {
            columns.ForEach(column => column.Dispose());
        }
    }
}
