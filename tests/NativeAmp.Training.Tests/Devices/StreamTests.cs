namespace NativeAmp.Training.Tests.Devices;

/// <summary>
/// Work on streams (W2 of the hardware review). The emulated GPU does work as late as the waits allow, so that
/// unordered work reads memory that is not written yet.
/// </summary>
internal sealed class StreamTests
{
    private Device _device = null!;
    private DeviceStream _stream = null!;

    [SetUp]
    public void Open()
    {
        EmulatedGpu.Require();
        _device = Device.Cuda();
        _stream = _device.CreateStream();
    }

    [TearDown]
    public void Close()
    {
        // Null where the test was skipped.
        _stream?.Dispose();
        _device?.Dispose();
    }

    [Test]
    public void A_training_run_on_another_stream_has_the_same_bits()
    {
        float[] own = Train();
        float[] other;
        using (_device.Use(_stream))
            other = Train();
        Assert.That(other, Is.EqualTo(own));
        Assert.That(_device.CurrentStream, Is.SameAs(_device.Stream));
    }

    [Test]
    public async Task The_stream_in_use_stays_over_await()
    {
        using (_device.Use(_stream))
        {
            await Task.Yield();
            Assert.That(_device.CurrentStream, Is.SameAs(_stream));
            await Task.Run(() => Assert.That(_device.CurrentStream, Is.SameAs(_stream)));
        }
        await Task.Run(() => Assert.That(_device.CurrentStream, Is.SameAs(_device.Stream)));
    }

    [Test]
    public void A_stream_waits_for_what_another_computed()
    {
        using Tensor a = Tensor.From<float>(_device, [1, 2, 3], [3]);
        using Tensor b = Ops.Add(a, a);
        using (_device.Use(_stream))
        {
            _stream.WaitFor(_device.Stream);
            using Tensor c = Ops.Add(b, b);
            Assert.That(c.ToArray<float>(), Is.EqualTo(new float[] { 4, 8, 12 }));
        }
    }

    /// <summary>The memory of a tensor that another stream reads is handed out only after the read.</summary>
    [Test]
    public void Memory_that_another_stream_reads_is_not_overwritten()
    {
        Tensor a = Tensor.From<float>(_device, [1, 2, 3], [3]);
        Tensor c;
        using (_device.Use(_stream))
        {
            _stream.WaitFor(_device.Stream);
            c = Ops.Add(a, a);
        }
        a.Dispose();
        using Tensor again = Tensor.From<float>(_device, [7, 7, 7], [3]);
        _device.Stream.Synchronize();
        using (c)
        using (_device.Use(_stream))
            Assert.That(c.ToArray<float>(), Is.EqualTo(new float[] { 2, 4, 6 }));
    }

    [Test]
    public void A_scale_and_a_state_that_are_made_on_a_stream_are_there_for_it()
    {
        using (_device.Use(_stream))
        {
            using var scale = new LossScaleState(_device, new GradScalerState { Scale = 256 });
            using var state = new OptimizerState(_device);
            using DeviceBuffer gradient = _device.Allocate<float>([256, 512]);
            using var table = TensorTable.Create(_device, [2], [gradient.ToCell()]);
            AmpKernels.UnscaleAndCheck(table, 0, scale, state, writeColumn: 0);
            Assert.That(gradient.ToArray<float>(), Is.EqualTo(new float[] { 1, 2 }));
            Assert.That(state.Read().FoundInf, Is.False);
        }
    }

    [Test]
    public void A_stream_of_another_device_is_refused()
    {
        using Device cpu = Device.Cpu();
        Assert.That(() => cpu.Use(_stream), Throws.ArgumentException);
        using DeviceBuffer buffer = cpu.Allocate<float>([1]);
        Assert.That(
            () => AmpKernels.Cast(cpu, buffer.ToCell(), buffer.ToCell(), 1, stream: _stream),
            Throws.ArgumentException.With.Message.Contains("another device")
        );
    }

    private float[] Train()
    {
        var random = new RandomGenerator(5);
        using Sequential model = new Sequential(
            new Linear(6, 8, random: random),
            new Gelu(),
            new Dropout(0.2f, random),
            new Linear(8, 3, random: random)
        ).To(_device);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-2 });
        using var scaler = new GradScaler(_device);
        for (int step = 0; step < 4; step++)
        {
            using TensorScope scope = TensorScope.Enter();
            using Tensor input = Tensor.From<float>(
                _device,
                [.. Enumerable.Range(0, 24).Select(i => (float)Math.Sin(i + step))],
                [4, 6]
            );
            using Tensor target = Tensor.From<int>(_device, [0, 1, 2, step % 3], [4]);
            using (Autocast.Enter(PrecisionPolicy.Float16))
                scaler.Scale(Loss.CrossEntropy(model.Call(input), target)).Backward();
            scaler.Step(optimizer);
            scaler.Update();
            optimizer.ZeroGrad();
        }
        return [.. model.Parameters().SelectMany(parameter => parameter.ToFloats())];
    }
}
