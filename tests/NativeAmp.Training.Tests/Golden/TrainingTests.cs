using System.Text.Json;

namespace NativeAmp.Training.Tests.Golden;

/// <summary>Whole training runs against libtorch's results.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class TrainingTests(DeviceKind kind)
{
    [Test]
    public void Float32_training_follows_libtorch()
    {
        JsonElement golden = GoldenFile.Read("training.json");
        using Device device = kind.Open();
        using Sequential model = Model(golden, device, new Gelu());
        using var optimizer = new FusedAdam(model.Parameters(), Adam(golden));
        (Tensor x, Tensor y) = Batch(golden, device);
        float[] expected = GoldenFile.Floats(golden.GetProperty("losses"));
        for (int step = 0; step < expected.Length; step++)
        {
            Tensor loss = Loss.CrossEntropy(model.Forward(x), y);
            loss.Backward();
            GoldenFile.AssertClose([loss.Item()], [expected[step]], 1e-4, 0, $"loss of step {step}");
            optimizer.Step();
            optimizer.ZeroGrad();
        }

        JsonElement[] final = [.. golden.GetProperty("final").EnumerateArray()];
        IReadOnlyList<Parameter> parameters = model.Parameters();
        for (int i = 0; i < final.Length; i++)
            GoldenFile.AssertClose(parameters[i].ToFloats(), GoldenFile.Data(final[i]), 1e-4, 1e-5, parameters[i].Name);
        x.Dispose();
        y.Dispose();
    }

    [Test]
    public void Mixed_precision_training_takes_and_skips_the_same_steps_as_libtorch()
    {
        JsonElement golden = GoldenFile.Read("amp_training.json");
        JsonElement settings = golden.GetProperty("scaler");
        using Device device = kind.Open();
        using Sequential model = Model(golden, device, new Relu());
        using var optimizer = new FusedAdam(model.Parameters(), Adam(golden));
        using var scaler = new GradScaler(
            device,
            GradScalerOptions.PyTorch with
            {
                InitialScale = settings.GetProperty("init").GetSingle(),
                GrowthFactor = settings.GetProperty("growthFactor").GetDouble(),
                BackoffFactor = settings.GetProperty("backoffFactor").GetDouble(),
                GrowthInterval = settings.GetProperty("growthInterval").GetInt32(),
            }
        );
        (Tensor x, Tensor y) = Batch(golden, device);
        float[] losses = GoldenFile.Floats(golden.GetProperty("losses"));
        float[] scales = GoldenFile.Floats(golden.GetProperty("scales"));
        float[] foundInf = GoldenFile.Floats(golden.GetProperty("foundInf"));
        for (int step = 0; step < losses.Length; step++)
        {
            Assert.That(scaler.GetScale(), Is.EqualTo(scales[step]), $"scale of step {step}");
            Tensor loss;
            using (Autocast.Enter(PrecisionPolicy.Float16))
            {
                loss = Loss.CrossEntropy(model.Forward(x), y);
                scaler.Scale(loss).Backward();
            }

            GoldenFile.AssertClose([loss.Item()], [losses[step]], 2e-2, 0, $"loss of step {step}");
            StepResult result = scaler.Step(optimizer);
            Assert.That(result.Read().Skipped, Is.EqualTo(foundInf[step] != 0), $"found_inf of step {step}");
            scaler.Update();
            optimizer.ZeroGrad();
        }

        x.Dispose();
        y.Dispose();
    }

    private static Sequential Model(JsonElement golden, Device device, Module activation)
    {
        Sequential model = new Sequential(new Linear(10, 16), activation, new Linear(16, 4)).To(device);
        JsonElement[] initial = [.. golden.GetProperty("initial").EnumerateArray()];
        foreach ((Parameter parameter, JsonElement values) in model.Parameters().Zip(initial))
            parameter.CopyFrom<float>(GoldenFile.Data(values));
        return model;
    }

    private static AdamOptions Adam(JsonElement golden)
    {
        JsonElement settings = golden.GetProperty("optimizer");
        return new AdamOptions
        {
            LearningRate = settings.GetProperty("lr").GetDouble(),
            Beta1 = settings.GetProperty("beta1").GetDouble(),
            Beta2 = settings.GetProperty("beta2").GetDouble(),
            Epsilon = settings.GetProperty("eps").GetDouble(),
            WeightDecay = settings.GetProperty("weightDecay").GetDouble(),
        };
    }

    private static (Tensor X, Tensor Y) Batch(JsonElement golden, Device device)
    {
        int[] labels = GoldenFile.Ints(golden.GetProperty("y"));
        return (GoldenFile.Tensor(device, golden.GetProperty("x")), Tensor.From(device, labels, [labels.Length]));
    }
}
