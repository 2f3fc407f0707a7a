namespace NativeAmp.Tests;

/// <summary>Lion against the paper's formulas in double (Chen et al. 2023, program 1).</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class LionTests(DeviceKind kind)
{
    public static IEnumerable<LionOptions> Settings =>
        [
            new() { LearningRate = 0.001 },
            new()
            {
                LearningRate = 0.01,
                WeightDecay = 0.1,
                Maximize = true,
            },
            new()
            {
                LearningRate = 0.002,
                Beta1 = 0.95,
                Beta2 = 0.98,
                WeightDecay = 0.01,
            },
        ];

    [Test]
    public void Fifty_steps_agree_with_the_formulas_in_double(
        [ValueSource(nameof(Settings))] LionOptions options,
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType gradientType
    ) => RuleSteps.AgreeInDouble(kind, options, gradientType, Step);

    [Test]
    public void An_element_whose_gradients_were_all_zero_only_decays()
    {
        using var device = kind.Open(1);
        using var parameter = new TestParameter(device, "p", 2, -4);
        using var optimizer = new FusedLion([parameter], new LionOptions { LearningRate = 0.125, WeightDecay = 0.5 });
        parameter.SetGradient(0f, -0f);

        optimizer.Step();

        Assert.That(parameter.Values, Is.EqualTo(new[] { 1.875f, -3.75f }));
    }

    private static void Step(LionOptions options, ref double p, double[] state, double g, int step)
    {
        if (options.Maximize)
            g = -g;
        p -= options.LearningRate * options.WeightDecay * p;
        (double kept, double came) = (options.Beta1 * state[0], (1 - options.Beta1) * g);
        // If they cancel, the sign is that of the float32 rounding error.
        bool cancels = Math.Abs(kept + came) < 1e-5 * Math.Abs(came);
        p = cancels ? double.NaN : p - options.LearningRate * Math.Sign(kept + came);
        state[0] = options.Beta2 * state[0] + (1 - options.Beta2) * g;
    }
}
