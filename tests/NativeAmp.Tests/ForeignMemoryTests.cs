namespace NativeAmp.Tests;

/// <summary>
/// Memory and streams that another library of the process got from the driver: raw CUdeviceptr and CUstream work
/// everywhere.
/// </summary>
[TestFixture(DeviceKind.Cuda)]
public sealed class ForeignMemoryTests(DeviceKind kind)
{
    private const int Count = 1000;

    private static readonly float[] Values = Sizes.Numbers(Count, seed: 1);
    private static readonly Half[] Gradients = Array.ConvertAll(Sizes.Numbers(Count, seed: 2), x => (Half)(256 * x));

    private Device _device = null!;
    private CudaDriver _driver = null!;
    private CudaDriver.Scope _context;
    private nint _stream;

    [SetUp]
    public void Open()
    {
        _device = kind.Open();
        _driver = new CudaDriver();
        _context = _driver.MakeCurrent();
        _stream = _driver.CreateStream();
    }

    [TearDown]
    public void Close()
    {
        _driver.Destroy(_stream);
        _context.Dispose();
        _device.Dispose();
    }

    [Test]
    public void A_step_over_foreign_memory_on_a_foreign_stream_has_the_CPU_s_bits()
    {
        var (parameters, halves, first) = OnTheCpu();
        nint p = _driver.Allocate<float>(Values),
            g = _driver.Allocate<Half>(Gradients),
            h = _driver.Allocate<Half>(new Half[Count]);
        nint m = _driver.Allocate<float>(new float[Count]),
            v = _driver.Allocate<float>(new float[Count]);
        nint current = _driver.Current();
        using (var stream = _device.BorrowStream(_stream))
        using (_device.Use(stream))
        using (
            var table = TensorTable.Create(
                _device,
                [Count],
                [new(p, DType.Float32)],
                [new(g, DType.Float16)],
                [new(m, DType.Float32)],
                [new(v, DType.Float32)],
                [new(h, DType.Float16)]
            )
        )
        using (var scale = new LossScaleState(_device, new GradScalerState { Scale = 256 }))
        using (var state = new OptimizerState(_device))
        {
            Step(table, scale, state, stream);
            _driver.Synchronize(_stream);

            Assert.That(_driver.Read<float>(p, Count), Is.EqualTo(parameters));
            Assert.That(_driver.Read<Half>(h, Count), Is.EqualTo(halves));
            Assert.That(_driver.Read<float>(m, Count), Is.EqualTo(first));
            Assert.That(state.Read().Step, Is.EqualTo(1));
        }
        Assert.That(_driver.Current(), Is.EqualTo(current), "the caller's context is as it was");
        _driver.Synchronize(_stream); // a borrowed stream outlives its DeviceStream
        foreach (nint pointer in (nint[])[p, g, h, m, v])
            _driver.Free(pointer);
    }

    [Test]
    public void Casts_losses_and_copies_take_foreign_memory()
    {
        nint logits = _driver.Allocate<float>([1, 2, 3, 4]),
            labels = _driver.Allocate<int>([1, 0]),
            loss = _driver.Allocate<float>([0]);
        nint gradient = _driver.Allocate<float>(new float[4]),
            halves = _driver.Allocate<Half>(new Half[4]);
        using var stream = _device.BorrowStream(_stream);

        AmpKernels.CrossEntropy(
            _device,
            new CrossEntropyArguments
            {
                Logits = new(logits, DType.Float32),
                Labels = labels,
                Rows = 2,
                Classes = 2,
                Loss = loss,
                Gradient = new(gradient, DType.Float32),
            },
            stream
        );
        AmpKernels.Cast(_device, new(halves, DType.Float16), new(gradient, DType.Float32), 4, stream: stream);
        stream.Synchronize();
        var copied = new byte[16];
        _device.CopyToHost(copied, gradient, stream);

        double right = Math.Log(1 + Math.Exp(-1)),
            wrong = Math.Log(1 + Math.E),
            share = 1 / (1 + Math.E);
        Assert.That(_driver.Read<float>(loss, 1)[0], Is.EqualTo((right + wrong) / 2).Within(1e-6));
        float[] gradients = _driver.Read<float>(gradient, 4);
        Assert.That(
            gradients,
            Is.EqualTo(new[] { share / 2, -share / 2, (share - 1) / 2, (1 - share) / 2 }).Within(1e-6)
        );
        Assert.That(_driver.Read<Half>(halves, 4), Is.EqualTo(Array.ConvertAll(gradients, x => (Half)x)));
        Assert.That(
            System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(copied).ToArray(),
            Is.EqualTo(gradients)
        );
        foreach (nint pointer in (nint[])[logits, labels, loss, gradient, halves])
            _driver.Free(pointer);
    }

    [Test]
    public void An_optimizer_steps_parameters_that_are_not_ours()
    {
        var (parameters, halves, _) = OnTheCpu();
        var parameter = new ForeignParameter(
            _device,
            _driver.Allocate<float>(Values),
            _driver.Allocate<Half>(Gradients),
            _driver.Allocate<Half>(new Half[Count])
        );
        using (var optimizer = new FusedAdam([parameter]))
        using (var scaler = new GradScaler(_device, GradScalerOptions.Static(256)))
        {
            Assert.That(scaler.Step(optimizer).Read().Stepped);
            scaler.Update();
        }
        Assert.That(_driver.Read<float>(parameter.Data, Count), Is.EqualTo(parameters));
        Assert.That(_driver.Read<Half>(parameter.ComputeCopy.Pointer, Count), Is.EqualTo(halves));
        foreach (nint pointer in (nint[])[parameter.Data, parameter.Gradient.Pointer, parameter.ComputeCopy.Pointer])
            _driver.Free(pointer);
    }

    private static void Step(TensorTable table, LossScaleState scale, OptimizerState state, DeviceStream? stream)
    {
        using var steps = new StepCounts(table.Device, table.TensorCount);
        AmpKernels.UnscaleAndCheck(table, 1, scale, state, stream: stream);
        AmpKernels.OptimizerStep(
            table,
            new OptimizerColumns { ComputeCopy = 4 },
            [new AdamOptions()],
            steps,
            scale,
            state,
            new OptimizerStepOptions(),
            stream
        );
    }

    private static (float[] Parameters, Half[] Halves, float[] First) OnTheCpu()
    {
        using var cpu = Device.Cpu();
        using var p = cpu.Allocate<float>(Values);
        using var g = cpu.Allocate<Half>(Gradients);
        using var m = cpu.Allocate<float>(new float[Count]);
        using var v = cpu.Allocate<float>(new float[Count]);
        using var h = cpu.Allocate<Half>(new Half[Count]);
        using var table = TensorTable.Create(
            cpu,
            [Count],
            [p.ToCell()],
            [g.ToCell()],
            [m.ToCell()],
            [v.ToCell()],
            [h.ToCell()]
        );
        using var scale = new LossScaleState(cpu, new GradScalerState { Scale = 256 });
        using var state = new OptimizerState(cpu);
        Step(table, scale, state, stream: null);
        return (p.ToArray<float>(), h.ToArray<Half>(), m.ToArray<float>());
    }

    private sealed record ForeignParameter(Device Device, nint Data, nint GradientPointer, nint HalfPointer)
        : IParameter
    {
        public string Name => "foreign";

        public long Count => ForeignMemoryTests.Count;

        public ReadOnlySpan<long> Shape => new[] { Count };

        public TensorCell Gradient => new(GradientPointer, DType.Float16);

        public TensorCell ComputeCopy => new(HalfPointer, DType.Float16);

        public void ClearGradient() => throw new NotSupportedException();
    }
}
