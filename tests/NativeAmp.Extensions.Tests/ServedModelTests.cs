using NativeAmp.Training;

namespace NativeAmp.Extensions.Tests;

/// <summary>One model answers many threads, and every answer is of the weights of one moment.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class ServedModelTests(DeviceKind kind)
{
    [Test]
    public void No_prediction_sees_half_of_an_update()
    {
        // weight · 1 + bias is 0 for the weights of each moment, and would not be for those of two.
        const int Updates = 100;
        using Device device = kind.Open(1);
        using var served = new ServedModel<Linear>(Balanced(1, device), device, PrecisionPolicy.Float32);
        using Linear trained = Balanced(1, device);
        using var start = new Barrier(4);
        Task<int>[] readers =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(_ =>
                    Task.Run(() =>
                    {
                        start.SignalAndWait();
                        int seen = 0;
                        for (; served.Updates < Updates; seen++)
                            Assert.That(At(served, 1), Is.Zero);
                        return seen;
                    })
                ),
        ];
        start.SignalAndWait();
        for (int i = 1; i <= Updates; i++)
        {
            Set(trained, i);
            served.Update(trained);
        }

        Task.WaitAll(readers);
        Assert.That(At(served, 2), Is.EqualTo(Updates), "the last weights");
    }

    [Test]
    public void Threads_get_the_results_of_one_alone()
    {
        using Device device = kind.Open();
        var random = new RandomGenerator(1);
        using var served = new ServedModel<Sequential>(
            new Sequential(new Linear(16, 64, random: random), new Gelu(), new Linear(64, 8, random: random)),
            device,
            PrecisionPolicy.Float16
        );
        float[] alone = Forward(served);
        int times = kind.IsEmulated() ? 4 : 200;
        Parallel.For(0, times, _ => Assert.That(Forward(served), Is.EqualTo(alone)));

        float[] Forward(ServedModel<Sequential> model) =>
            model.Predict(m =>
            {
                using var inputs = Tensor.From(device, [.. Enumerable.Range(0, 64).Select(i => i / 64f)], [4, 16]);
                return m.Call(inputs).ToFloats();
            });
    }

    [Test]
    public void A_model_of_another_form_changes_nothing()
    {
        using Device device = kind.Open(1);
        using var served = new ServedModel<Linear>(Balanced(3, device), device, PrecisionPolicy.Float32);
        using Linear wider = new Linear(2, 1).To(device);
        Assert.That(
            () => served.Update(wider),
            Throws.ArgumentException.With.Message.Contains("weight [1, 1] is missing, weight [1, 2] is unexpected")
        );
        Assert.That((At(served, 2), served.Updates), Is.EqualTo((3f, 0L)));
    }

    [Test]
    public void A_prediction_is_no_tensor_and_no_task()
    {
        using Device device = kind.Open(1);
        using var served = new ServedModel<Linear>(Balanced(3, device), device, PrecisionPolicy.Float32);
        Assert.That(
            () => served.Predict(model => model.Weight),
            Throws.InvalidOperationException.With.Message.Contains("no Parameter")
        );
        Assert.That(() => served.Predict(_ => Task.CompletedTask), Throws.InvalidOperationException);
        Assert.That(() => served.Predict<int>(null!), Throws.ArgumentNullException);
        Assert.That(() => served.Update(null!), Throws.ArgumentNullException);
    }

    [Test]
    public void Predictions_keep_nothing_and_record_nothing()
    {
        using Device device = kind.Open(1);
        using var served = new ServedModel<Linear>(Balanced(3, device), device, PrecisionPolicy.Float32);
        _ = At(served, 1);
        long before = device.MemoryStatistics.LiveTotalBytes;
        for (int i = 0; i < 20; i++)
            _ = At(served, 1);
        Assert.That(device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
        Assert.That(served.Predict(model => model.IsTraining), Is.False);
    }

    [Test]
    public void A_disposed_one_says_so()
    {
        using Device device = kind.Open(1);
        var served = new ServedModel<Linear>(Balanced(3, device), device, PrecisionPolicy.Float32);
        served.Dispose();
        served.Dispose();
        Assert.That(() => At(served, 1), Throws.TypeOf<ObjectDisposedException>());
    }

    private static float At(ServedModel<Linear> served, float x) =>
        served.Predict(model =>
        {
            using var input = Tensor.From(served.Device, [x], [1, 1]);
            return model.Call(input).ToFloats()[0];
        });

    // Its value is k · (x - 1).
    private static Linear Balanced(float k, Device device)
    {
        Linear linear = new Linear(1, 1).To(device);
        Set(linear, k);
        return linear;
    }

    private static void Set(Linear linear, float k)
    {
        linear.Weight.CopyFrom<float>([k]);
        linear.Bias!.CopyFrom<float>([-k]);
    }
}
