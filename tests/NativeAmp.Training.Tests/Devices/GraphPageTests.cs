namespace NativeAmp.Training.Tests.Devices;

/// <summary>The code of docs/graphs.md.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class GraphPageTests(DeviceKind kind)
{
    private const int Batch = 4;
    private const int Steps = 6;

    [Test]
    public void The_page_has_this_code() =>
        PageCode.IsThatOf("docs/graphs.md", "tests/NativeAmp.Training.Tests/Devices/GraphPageTests.cs");

    [Test]
    public void It_trains()
    {
        using Device device = kind.Open(1);
        using Module model = new Linear(2, 3, random: new RandomGenerator(1)).To(device);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 0.1 });
        using var scaler = new GradScaler(device, GradScalerOptions.PyTorch);
        float[] nextPoints = [0, 1, 1, 0, -1, 0, 0, -1];
        int[] nextArms = [0, 1, 2, 0];
        List<float> shown = [];
        using Tensor points = Tensor.Empty(device, DType.Float32, [Batch, 2]);
        using Tensor arms = Tensor.Empty(device, DType.Int32, [Batch]);
        using var step = new CapturedStep(
            device,
            () =>
            {
                Tensor loss;
                using (Autocast.Enter(PrecisionPolicy.Float16))
                {
                    loss = Loss.CrossEntropy(model.Forward(points), arms);
                    scaler.Scale(loss).Backward();
                }

                optimizer.ClipGradNorm(1);
                scaler.Step(optimizer);
                scaler.Update();
                optimizer.ZeroGrad();
                return loss;
            }
        );
        for (int i = 0; i < Steps; i++)
        {
            points.CopyFrom<float>(nextPoints);
            arms.CopyFrom<int>(nextArms);
            Tensor loss = step.Run();
            if (i % 5 == 0) // reading waits for the device; nothing else does
                show(loss.Item(), optimizer.LastStep.Read());
        }

        Assert.That(step.IsCaptured, Is.EqualTo(kind == DeviceKind.Cuda));
        Assert.That(shown, Has.Count.EqualTo(2));
        Assert.That(shown[1], Is.LessThan(shown[0]));

        void show(float loss, StepOutcome outcome)
        {
            Assert.That(outcome.AppliedSteps, Is.EqualTo(shown.Count == 0 ? 1 : Steps));
            shown.Add(loss);
        }
    }
}
