using System.Text.Json;

namespace NativeAmp.Tests;

/// <summary>Family 4: Adam in float32, in one pass, for every type, length and alignment of gradients.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class AdamKernelTests(DeviceKind kind)
{
    private const int Steps = 3;

    public static IEnumerable<int> GoldenCases => Enumerable.Range(0, Golden.Cases("adam.json").GetArrayLength());

    public static IEnumerable<AdamOptions> Settings =>
        [
            new AdamOptions(),
            // The larger epsilon: g + wd * p cancels in places and leaves a rounding error, which a small epsilon would
            // magnify.
            new AdamOptions
            {
                Decoupled = false,
                WeightDecay = 0.1,
                Maximize = true,
                Epsilon = 1e-3,
            },
            new AdamOptions
            {
                AmsGrad = true,
                LearningRate = 0.02,
                Beta1 = 0.8,
                Beta2 = 0.95,
                Epsilon = 1e-6,
            },
        ];

    [TestCaseSource(nameof(GoldenCases))]
    public void Steps_agree_with_PyTorch_to_two_ulp(int index)
    {
        JsonElement golden = Golden.Cases("adam.json")[index];
        using var device = kind.Open(2);
        using var parameter = new TestParameter(device, "p", golden.GetProperty("p0").Floats());
        using var optimizer = new FusedAdam(
            [parameter],
            new AdamOptions
            {
                LearningRate = golden.GetProperty("lr").GetDouble(),
                Beta1 = golden.GetProperty("beta1").GetDouble(),
                Beta2 = golden.GetProperty("beta2").GetDouble(),
                Epsilon = golden.GetProperty("eps").GetDouble(),
                WeightDecay = golden.GetProperty("weightDecay").GetDouble(),
                AmsGrad = golden.GetProperty("amsgrad").GetBoolean(),
                Maximize = golden.GetProperty("maximize").GetBoolean(),
                Decoupled = golden.GetProperty("mode").GetString() == "adamw",
            }
        );
        float scale = golden.TryGetProperty("gradScale", out var given) ? given.Float() : 1;
        using var scaler = new GradScaler(device, GradScalerOptions.Static(scale));
        for (int step = 0; step < 6; step++)
        {
            float[] gradient = golden.GetProperty("grads")[step].Floats();
            // PyTorch got the overflow as an input; here it must be detected.
            if (golden.GetProperty("foundInf")[step].GetInt32() != 0)
                gradient[^1] = float.PositiveInfinity;
            parameter.SetGradient(gradient);

            scaler.Step(optimizer);
            scaler.Update();

            var after = golden.GetProperty("after")[step];
            var state = optimizer.SaveState();
            Assert.That(state.Step, Is.EqualTo(after.GetProperty("step").GetInt64()));
            AssertClose(parameter.Values, after.GetProperty("p"), $"p after step {step}");
            AssertClose(state.Parameters[0].State["exp_avg"], after.GetProperty("m"), $"m after step {step}");
            AssertClose(state.Parameters[0].State["exp_avg_sq"], after.GetProperty("v"), $"v after step {step}");
            if (after.TryGetProperty("vmax", out var largest))
                AssertClose(state.Parameters[0].State["max_exp_avg_sq"], largest, $"vmax after step {step}");
        }
    }

    [Test]
    public void Any_length_and_start_steps_as_a_plain_loop_in_double(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType gradientType,
        [Values(DType.Float16, DType.BFloat16)] DType halfType,
        [ValueSource(typeof(Sizes), nameof(Sizes.Misalignments))] int misalignment,
        [Values(0, 1, 2)] int setting
    )
    {
        var options = Settings.ElementAt(setting);
        using var device = kind.Open(2);
        using var tensors = new AdamTensors(device, Sizes.LengthsOn(kind), gradientType, halfType, misalignment);
        AdamOracle[] oracles =
        [
            .. tensors.Parameters.Select(p => new AdamOracle([.. p.ToArray().Select(x => (double)x)], options)),
        ];
        using var scale = new LossScaleState(device, new GradScalerState { Scale = 256 });
        for (int step = 0; step < Steps; step++)
        {
            tensors.FillGradients(step);
            tensors.Step(scale, options);
            for (int t = 0; t < oracles.Length; t++)
                oracles[t].Step([.. tensors.Gradients[t].ToArray().Select(g => g / 256.0)]);
        }
        for (int t = 0; t < oracles.Length; t++)
        {
            float[] p = tensors.Parameters[t].ToArray(),
                m = tensors.First[t].ToArray(),
                v = tensors.Second[t].ToArray();
            // Float32 rounding of Steps updates, each of at most the learning rate.
            Near.Assert(
                p,
                oracles[t].Parameters,
                relative: 1e-6,
                absolute: 1e-5 * options.LearningRate,
                $"p of {p.Length}"
            );
            Near.Assert(m, oracles[t].First, relative: 2e-6, absolute: 1e-9, $"m of {m.Length}");
            Near.Assert(v, oracles[t].Second, relative: 3e-6, absolute: 1e-12, $"v of {v.Length}");
            using var narrowed = new GuardedTensor(null, halfType, p);
            Assert.That(tensors.Halves[t].Bytes.SequenceEqual(narrowed.Bytes), $"compute copy of {p.Length}");
        }
        tensors.AssertCanariesAreAlive();
    }

    [Test]
    public void A_step_with_an_overflow_touches_nothing()
    {
        using var device = kind.Open(2);
        using var tensors = new AdamTensors(
            device,
            [5, Sizes.Chunk + 3, 1],
            DType.Float16,
            DType.Float16,
            misalignment: 1
        );
        using var scale = new LossScaleState(device, new GradScalerState { Scale = 256 });
        tensors.FillGradients(0);
        tensors.Step(scale, new AdamOptions());
        byte[] before = tensors.AllBytes();

        tensors.Gradients[1][Sizes.Chunk] = float.PositiveInfinity;
        tensors.Step(scale, new AdamOptions());

        Assert.That(tensors.AllBytes(), Is.EqualTo(before));
        Assert.That(tensors.State.Read().Step, Is.EqualTo(1));
    }

    [Test]
    public void Clipping_multiplies_gradients_as_clip_grad_norm_does()
    {
        using var device = kind.Open(1);
        using var clipped = new TestParameter(device, "clipped", 1, 1);
        using var plain = new TestParameter(device, "plain", 1, 1);
        using var clippedAdam = new FusedAdam([clipped]);
        using var plainAdam = new FusedAdam([plain]);
        const float Norm = 5,
            MaxNorm = 0.5f;
        clipped.SetGradient(3f, 4f);
        plain.SetGradient(3 * (MaxNorm / (Norm + 1e-6f)), 4 * (MaxNorm / (Norm + 1e-6f)));

        clippedAdam.ClipGradNorm(MaxNorm);
        var result = clippedAdam.Step();
        plainAdam.Step();

        Assert.That(result.Read().GradientNorm, Is.EqualTo(Norm));
        Assert.That(result.Read().ClipCoefficient, Is.EqualTo(MaxNorm / (Norm + 1e-6)).Within(1e-7));
        Assert.That(clipped.Values, Is.EqualTo(plain.Values).Within(1).Ulps);
    }

    [Test]
    public void Threads_and_instruction_sets_do_not_change_a_bit(
        [ValueSource(typeof(Sizes), nameof(Sizes.FloatingPoint))] DType gradientType,
        [Values] Rounding rounding
    )
    {
        Everywhere.SameBits(
            kind,
            device =>
            {
                using var tensors = new AdamTensors(
                    device,
                    Sizes.LengthsOn(kind),
                    gradientType,
                    DType.BFloat16,
                    misalignment: 1
                );
                using var scale = new LossScaleState(device, new GradScalerState { Scale = 3 });
                for (int step = 0; step < Steps; step++)
                {
                    tensors.FillGradients(step);
                    tensors.Step(
                        scale,
                        new AdamOptions { AmsGrad = true },
                        new OptimizerStepOptions
                        {
                            MaxNorm = 0.5f,
                            WeightRounding = rounding,
                            Seed = 11,
                        }
                    );
                }
                return tensors.AllBytes();
            }
        );
    }

    private static void AssertClose(float[] actual, JsonElement expected, string what)
    {
        float[] values = expected.Floats();
        Assert.That(actual, Has.Length.EqualTo(values.Length));
        for (int i = 0; i < values.Length; i++)
        {
            if (Math.Abs(actual[i] - values[i]) > 1e-6 * Math.Abs(values[i]))
                Assert.That(actual[i], Is.EqualTo(values[i]).Within(2).Ulps, $"{what}, element {i}");
        }
    }
}
