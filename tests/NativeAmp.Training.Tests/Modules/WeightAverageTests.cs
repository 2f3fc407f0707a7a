using NativeAmp.Training.Tests.Autograd;

namespace NativeAmp.Training.Tests.Modules;

/// <summary>Averages of weights beside their recurrence in double.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class WeightAverageTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void An_average_follows_its_recurrence([Values(0.0, 0.9, 1.0, null)] double? decay)
    {
        using Sequential model = Model();
        using WeightAverage average = decay is { } d ? new WeightAverage(model, d) : WeightAverage.Equal(model);
        double[][] expected = [.. model.Parameters().Select(parameter => new double[parameter.Count])];
        for (int step = 0; step < 5; step++)
        {
            for (int p = 0; p < expected.Length; p++)
            {
                float[] values = Initializers.Normal(1)(
                    model.Parameters()[p].Shape,
                    new RandomGenerator((ulong)(step * 7 + p))
                );
                model.Parameters()[p].CopyFrom<float>(values);
                for (int i = 0; i < values.Length; i++)
                {
                    double kept = step == 0 ? 0 : decay ?? (double)step / (step + 1);
                    expected[p][i] = kept * expected[p][i] + (1 - kept) * values[i];
                }
            }

            average.Update();
        }

        Assert.That(average.Updates, Is.EqualTo(5));
        Assert.That(
            average.Averages.Select(one => one.Name),
            Is.EqualTo(model.NamedParameters().Select(one => one.Name))
        );
        foreach (((_, Tensor values), double[] right) in average.Averages.Zip(expected))
            Assert.That(values.ToFloats(), Is.EqualTo(right).Within(1e-6));
    }

    [Test]
    public void The_model_has_the_average_for_a_while()
    {
        using Sequential model = Model();
        using var average = new WeightAverage(model, 0.5);
        average.Update();
        float[] first = model.Parameters()[0].ToFloats();
        float[] second = Array.ConvertAll(first, x => 3 * x + 1);
        model.Parameters()[0].CopyFrom<float>(second);
        average.Update();
        using Tensor input = Tensor.From(Device, new float[] { 1, 2, 3 }, [1, 3]);
        using NoGrad noGrad = NoGrad.Enter();
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float16);
        float[] before = model.Forward(input).ToFloats();

        using (average.Apply())
        {
            float[] expected = [.. first.Zip(second, (a, b) => (a + b) / 2)];
            Assert.That(model.Parameters()[0].ToFloats(), Is.EqualTo(expected).Within(1e-6));
            // The compute copies, too.
            Assert.That(model.Forward(input).ToFloats(), Is.Not.EqualTo(before));
            Assert.That(average.Update, Throws.InvalidOperationException.With.Message.Contains("applied"));
            Assert.That(average.Apply, Throws.InvalidOperationException.With.Message.Contains("applied"));
        }

        Assert.That(model.Parameters()[0].ToFloats(), Is.EqualTo(second));
        Assert.That(model.Forward(input).ToFloats(), Is.EqualTo(before));
    }

    [Test]
    public void Masters_of_half_precision_parameters_come_back([Values] MasterFormat masters)
    {
        using Sequential model = Model().To(DType.BFloat16);
        using var optimizer = new FusedAdam(
            model.Parameters(),
            new AdamOptions { LearningRate = 1e-3f, MasterFormat = masters }
        );
        using var average = new WeightAverage(model, 0.5);
        using Tensor input = Tensor.From(Device, new float[] { 1, 2, 3 }, [1, 3]);
        for (int step = 0; step < 3; step++)
        {
            Ops.Sum(model.Forward(Ops.Cast(input, DType.BFloat16))).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            average.Update();
        }

        float[][] before = [.. model.Parameters().Select(parameter => parameter.ReadMaster())];
        using (average.Apply())
        {
            foreach ((Parameter parameter, (_, Tensor values)) in model.Parameters().Zip(average.Averages))
            {
                float[] expected = Array.ConvertAll(values.ToFloats(), x => (float)(BFloat16)x);
                Assert.That(parameter.ToFloats(), Is.EqualTo(expected));
            }
        }

        Assert.That(model.Parameters().Select(parameter => parameter.ReadMaster()), Is.EqualTo(before));
    }

    [Test]
    public void A_run_goes_on_from_saved_averages()
    {
        using Sequential model = Model();
        using var average = WeightAverage.Equal(model);
        average.Restart(3);
        float[] first = model.Parameters()[0].ToFloats();
        model.Parameters()[0].CopyFrom<float>(Array.ConvertAll(first, x => x + 4));
        average.Update();
        Assert.That(average.Updates, Is.EqualTo(4));
        Assert.That(average.Averages.First().Average.ToFloats(), Is.EqualTo(first.Select(x => x + 1)).Within(1e-5));
    }

    [Test]
    public void A_backward_pass_over_a_change_of_weights_is_refused()
    {
        using Sequential model = Model();
        using var average = new WeightAverage(model);
        average.Update();
        using Tensor input = Tensor.From(Device, new float[] { 1, 2, 3 }, [1, 3]);
        input.RequiresGrad = true;
        Tensor loss = Ops.Sum(model.Forward(input));
        using (average.Apply())
            Assert.That(() => loss.Backward(), Throws.InvalidOperationException.With.Message.Contains("written since"));
    }

    [Test]
    public void What_does_not_fit_is_named()
    {
        using var onHost = new Linear(3, 2);
        using Sequential model = Model();
        using var average = new WeightAverage(model);

        Assert.That(() => new WeightAverage(onHost), Throws.ArgumentException.With.Message.Contains("To(device)"));
        Assert.That(() => new WeightAverage(new Relu()), Throws.ArgumentException);
        Assert.That(() => new WeightAverage(null!), Throws.ArgumentNullException);
        foreach (double decay in new[] { -0.1, 1.1, double.NaN })
            Assert.That(() => new WeightAverage(model, decay), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(average.Apply, Throws.InvalidOperationException.With.Message.Contains("no average yet"));
        Assert.That(() => average.Restart(0), Throws.TypeOf<ArgumentOutOfRangeException>());
        average.Dispose();
        Assert.That(average.Update, Throws.TypeOf<ObjectDisposedException>());
    }

    private Sequential Model() =>
        new Sequential(
            new Linear(3, 5, random: new RandomGenerator(1)),
            new Relu(),
            new Linear(5, 2, random: new RandomGenerator(2))
        ).To(Device);
}
