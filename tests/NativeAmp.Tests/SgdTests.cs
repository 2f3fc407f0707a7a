using System.Text.Json;

namespace NativeAmp.Tests;

/// <summary>SGD against libtorch's fused SGD, and against the formulas in double.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class SgdTests(DeviceKind kind)
{
    public static IEnumerable<int> GoldenCases => Enumerable.Range(0, Golden.Cases("sgd.json").GetArrayLength());

    public static IEnumerable<SgdOptions> Settings =>
        [
            new() { LearningRate = 0.1 },
            new()
            {
                LearningRate = 0.05,
                WeightDecay = 0.02,
                Maximize = true,
            },
            new() { LearningRate = 0.01, Momentum = 0.9 },
            new()
            {
                LearningRate = 0.01,
                Momentum = 0.9,
                Dampening = 0.3,
                WeightDecay = 0.01,
            },
            new()
            {
                LearningRate = 0.01,
                Momentum = 0.95,
                Nesterov = true,
                WeightDecay = 0.001,
            },
        ];

    [TestCaseSource(nameof(GoldenCases))]
    public void Fifty_steps_agree_with_PyTorch(int index)
    {
        JsonElement golden = Golden.Cases("sgd.json")[index];
        using var device = kind.Open(2);
        using var parameter = new TestParameter(device, "p", golden.GetProperty("p0").Floats());
        using var optimizer = new FusedSgd(
            [parameter],
            new SgdOptions
            {
                LearningRate = golden.GetProperty("lr").GetDouble(),
                Momentum = golden.GetProperty("momentum").GetDouble(),
                Dampening = golden.GetProperty("dampening").GetDouble(),
                Nesterov = golden.GetProperty("nesterov").GetBoolean(),
                WeightDecay = golden.GetProperty("weightDecay").GetDouble(),
                Maximize = golden.GetProperty("maximize").GetBoolean(),
            }
        );
        float scale = golden.TryGetProperty("gradScale", out var given) ? given.Float() : 1;
        using var scaler = new GradScaler(device, GradScalerOptions.Static(scale));
        int applied = 0;
        for (int step = 0; step < golden.GetProperty("grads").GetArrayLength(); step++)
        {
            float[] gradient = golden.GetProperty("grads")[step].Floats();
            // PyTorch got the overflow as an input; here it must be detected.
            bool overflow = golden.GetProperty("foundInf")[step].GetInt32() != 0;
            if (overflow)
                gradient[^1] = float.PositiveInfinity;
            parameter.SetGradient(gradient);

            var result = scaler.Step(optimizer);
            scaler.Update();

            applied += overflow ? 0 : 1;
            Assert.That(result.Read().Skipped, Is.EqualTo(overflow));
            Assert.That(optimizer.CountAppliedSteps(), Is.EqualTo(applied));
            var after = golden.GetProperty("after")[step];
            if (!after.TryGetProperty("p", out var expected))
                continue;
            // If a parameter or a buffer cancels, a rounding error remains in every step.
            Near.Assert(
                parameter.Values,
                [.. expected.Floats().Select(x => (double)x)],
                relative: 2e-6,
                absolute: 2e-6,
                $"p after step {step}"
            );
            if (after.TryGetProperty("momentumBuffer", out var buffer))
                Near.Assert(
                    optimizer.SaveState().Parameters[0].State["momentum_buffer"],
                    [.. buffer.Floats().Select(x => (double)x)],
                    relative: 2e-6,
                    absolute: 2e-6,
                    $"buffer after step {step}"
                );
        }
    }

    [Test]
    public void Fifty_steps_agree_with_the_formulas_in_double(
        [ValueSource(nameof(Settings))] SgdOptions options,
        [Values(DType.Float32, DType.Float16, DType.BFloat16)] DType gradientType
    ) => RuleSteps.AgreeInDouble(kind, options, gradientType, Step);

    private static void Step(SgdOptions options, ref double p, double[] state, double g, int step)
    {
        if (options.Maximize)
            g = -g;
        g += options.WeightDecay * p;
        double direction = g;
        if (options.Momentum != 0)
        {
            state[0] = step == 1 ? g : options.Momentum * state[0] + (1 - options.Dampening) * g;
            direction = options.Nesterov ? g + options.Momentum * state[0] : state[0];
        }

        p -= options.LearningRate * direction;
    }
}
