namespace NativeAmp.Tests;

/// <summary>One element's step in double, by the formulas of a paper.</summary>
/// <param name="options">The hyperparameters.</param>
/// <param name="p">The parameter; NaN from the step on whose result depends on the rounding of float32.</param>
/// <param name="state">The rule's columns of state.</param>
/// <param name="g">The unscaled gradient.</param>
/// <param name="step">The step, from 1.</param>
internal delegate void RuleFormula<TOptions>(TOptions options, ref double p, double[] state, double g, int step);

/// <summary>
/// Fifty steps of a rule through the whole optimizer, some of them skipped, compared with the same in double.
/// </summary>
internal static class RuleSteps
{
    private const int Steps = 50;
    private const float Scale = 256;

    /// <summary>
    /// Trains two parameters, one of more than a chunk on the CPU, with a loss scale, an overflow in every eleventh
    /// step, and a second parameter whose gradient comes late; compares parameters and state with the formula, and the
    /// compute copy with the parameter's rounding.
    /// </summary>
    /// <param name="kind">Where to train.</param>
    /// <param name="options">The hyperparameters.</param>
    /// <param name="gradientType">The gradients' dtype.</param>
    /// <param name="formula">The rule in double.</param>
    /// <param name="stateTolerance">How far the state may be off where its terms cancel.</param>
    public static void AgreeInDouble<TOptions>(
        DeviceKind kind,
        TOptions options,
        DType gradientType,
        RuleFormula<TOptions> formula,
        double stateTolerance = 4e-8
    )
        where TOptions : OptimizerOptions
    {
        using var device = kind.Open(2);
        TestParameter[] parameters =
        [
            new(device, "long", Sizes.Numbers(kind == DeviceKind.Cpu ? Sizes.Chunk + 13 : 1000, seed: 1)),
            new(device, "late", Sizes.Numbers(7, seed: 2)),
        ];
        double[][] exact = [.. parameters.Select(p => p.Values.Select(x => (double)x).ToArray())];
        double[][][] state = [.. exact.Select(p => p.Select(_ => new double[options.StateNames.Count]).ToArray())];
        var counts = new int[parameters.Length];
        parameters[0].WithComputeCopy(DType.BFloat16);
        using (var optimizer = FusedOptimizer.Create(parameters, options))
        using (var scaler = new GradScaler(device, GradScalerOptions.Static(Scale)))
        {
            for (int step = 0; step < Steps; step++)
            {
                bool overflows = step % 11 == 5;
                for (int t = 0; t < parameters.Length; t++)
                {
                    if (t == 1 && step < 20)
                        continue;
                    float[] gradient =
                    [
                        .. Sizes
                            .Numbers((int)parameters[t].Count, seed: 100 * step + t)
                            .Select(x => Rounded(x, gradientType)),
                    ];
                    if (!overflows)
                    {
                        counts[t]++;
                        for (int i = 0; i < gradient.Length; i++)
                            formula(options, ref exact[t][i], state[t][i], gradient[i] / (double)Scale, counts[t]);
                    }
                    else if (t == 0)
                    {
                        gradient[^1] = float.PositiveInfinity;
                    }

                    SetGradient(parameters[t], gradientType, gradient);
                }

                Assert.That(scaler.Step(optimizer).Read().Skipped, Is.EqualTo(overflows));
                scaler.Update();
            }

            var snapshot = optimizer.SaveState();
            for (int t = 0; t < parameters.Length; t++)
            {
                Assert.That(snapshot.Parameters[t].Step, Is.EqualTo(counts[t]));
                // Float32 rounding of fifty updates.
                float[] values = parameters[t].Values;
                int[] known = [.. Enumerable.Range(0, exact[t].Length).Where(i => !double.IsNaN(exact[t][i]))];
                Assert.That(known, Has.Length.GreaterThanOrEqualTo(exact[t].Length * 0.999));
                Near.Assert(
                    [.. known.Select(i => values[i])],
                    [.. known.Select(i => exact[t][i])],
                    relative: 4e-6,
                    absolute: 4e-6,
                    $"'{parameters[t].Name}'"
                );
                foreach (var (name, column) in options.StateNames.Select((name, column) => (name, column)))
                    Near.Assert(
                        snapshot.Parameters[t].State[name],
                        [.. state[t].Select(s => s[column])],
                        relative: 4e-6,
                        absolute: stateTolerance,
                        $"{name} of '{parameters[t].Name}'"
                    );
            }
        }

        Assert.That(parameters[0].Half<BFloat16>(), Is.EqualTo(parameters[0].Values.Select(x => (BFloat16)x)));
        foreach (var parameter in parameters)
            parameter.Dispose();
    }

    private static void SetGradient(TestParameter parameter, DType dtype, float[] values)
    {
        if (dtype == DType.Float16)
            parameter.SetGradient([.. values.Select(x => (Half)x)]);
        else if (dtype == DType.BFloat16)
            parameter.SetGradient([.. values.Select(x => (BFloat16)x)]);
        else
            parameter.SetGradient(values);
    }

    private static float Rounded(float x, DType dtype) =>
        dtype switch
        {
            DType.Float16 => (float)(Half)x,
            DType.BFloat16 => (float)(BFloat16)x,
            _ => x,
        };
}
