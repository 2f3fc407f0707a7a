namespace NativeAmp.Tests;

/// <summary>RMSprop against its formulas in double (Hinton 2012; torch/optim/rmsprop.py).</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class RmsPropTests(DeviceKind kind)
{
    public static IEnumerable<RmsPropOptions> Settings =>
        [
            new() { LearningRate = 0.001 },
            new()
            {
                LearningRate = 0.0005,
                Alpha = 0.9,
                Epsilon = 1e-4,
                Momentum = 0.9,
                WeightDecay = 0.01,
                Maximize = true,
            },
        ];

    [Test]
    public void Fifty_steps_agree_with_the_formulas_in_double(
        [ValueSource(nameof(Settings))] RmsPropOptions options,
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType gradientType
    ) =>
        // The buffer adds up quotients of about 1, of both signs.
        RuleSteps.AgreeInDouble(kind, options, gradientType, Step, stateTolerance: 4e-6);

    [TestCase(1.0, 1e-8, 0.0, "Alpha")]
    [TestCase(0.9, -1.0, 0.0, "Epsilon")]
    [TestCase(0.9, 1e-8, double.NaN, "Momentum")]
    public void A_hyperparameter_that_is_not_possible_is_refused_by_name(
        double alpha,
        double epsilon,
        double momentum,
        string name
    )
    {
        using var device = kind.Open(1);
        using var parameter = new TestParameter(device, "p", 1, 2);
        var options = new RmsPropOptions
        {
            Alpha = alpha,
            Epsilon = epsilon,
            Momentum = momentum,
        };

        Assert.That(
            () => new FusedRmsProp([parameter], options),
            Throws.ArgumentException.With.Message.Contains($"The {name} of rmsprop")
        );
    }

    private static void Step(RmsPropOptions options, ref double p, double[] state, double g, int step)
    {
        if (options.Maximize)
            g = -g;
        g += options.WeightDecay * p;
        state[0] = options.Alpha * state[0] + (1 - options.Alpha) * g * g;
        double direction = g / (Math.Sqrt(state[0]) + options.Epsilon);
        if (options.Momentum != 0)
            direction = state[1] = options.Momentum * state[1] + direction;
        p -= options.LearningRate * direction;
    }
}
