namespace NativeAmp.Tests;

/// <summary>Optimizer and scaler over pointers that have no owner here.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class MemoryParameterTests(DeviceKind kind)
{
    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open();

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void A_step_writes_values_and_compute_copy_in_place()
    {
        using DeviceBuffer values = _device.Allocate<float>([1, 2, 3, 4, 5, 6]);
        using DeviceBuffer gradient = _device.Allocate<Half>([.. Enumerable.Repeat((Half)8, 6)]);
        using DeviceBuffer copy = _device.Allocate(DType.BFloat16, 6);
        var parameter = new MemoryParameter("w", _device, values.ToCell(), 2, 3)
        {
            Gradient = gradient.ToCell(),
            ComputeCopy = copy.ToCell(),
        };
        using var optimizer = new FusedSgd([parameter], new SgdOptions { LearningRate = 0.5 });
        using var scaler = new GradScaler(_device, GradScalerOptions.Static(4));

        Assert.That(scaler.Step(optimizer).Read().Stepped);

        // 0.5 times 8 / 4.
        Assert.That(values.ToArray<float>(), Is.EqualTo(new float[] { 0, 1, 2, 3, 4, 5 }));
        Assert.That(
            Array.ConvertAll(copy.ToArray<BFloat16>(), x => (float)x),
            Is.EqualTo(new float[] { 0, 1, 2, 3, 4, 5 })
        );
        Assert.That(parameter.Shape.ToArray(), Is.EqualTo(new long[] { 2, 3 }));
        Assert.That(parameter.Count, Is.EqualTo(6));
    }

    [Test]
    public void A_cleared_gradient_is_left_out_of_steps()
    {
        using DeviceBuffer values = _device.Allocate<float>([1]);
        using DeviceBuffer gradient = _device.Allocate<float>([1]);
        var parameter = new MemoryParameter("w", _device, values.ToCell(), 1) { Gradient = gradient.ToCell() };
        using var optimizer = new FusedSgd([parameter], new SgdOptions { LearningRate = 1 });

        optimizer.ZeroGrad();

        Assert.That(parameter.Gradient, Is.EqualTo(default(TensorCell)));
        Assert.That(() => optimizer.Step(), Throws.InvalidOperationException);
        Assert.That(values.ToArray<float>(), Is.EqualTo(new float[] { 1 }));
    }

    [Test]
    public void Without_dimensions_it_is_one_number_and_with_a_size_of_0_it_needs_no_memory()
    {
        using DeviceBuffer values = _device.Allocate<float>([1]);

        Assert.That(new MemoryParameter("scalar", _device, values.ToCell()).Count, Is.EqualTo(1));
        Assert.That(new MemoryParameter("none", _device, new TensorCell(0, DType.Float32), 3, 0).Count, Is.Zero);
    }

    [Test]
    public void Wrong_memory_is_refused_with_its_name()
    {
        using DeviceBuffer values = _device.Allocate<float>([1]);
        using DeviceBuffer labels = _device.Allocate<int>([1]);
        TensorCell cell = values.ToCell();
        var parameter = new MemoryParameter("w", _device, cell, 1) { Gradient = cell };

        Assert.That(
            () => new MemoryParameter("w", _device, labels.ToCell(), 1),
            Throws.ArgumentException.With.Message.Contains("The values of 'w' are int32")
        );
        Assert.That(
            () => new MemoryParameter("w", _device, default, 1),
            Throws.ArgumentException.With.Message.Contains("of no type")
        );
        Assert.That(
            () => new MemoryParameter("w", _device, new TensorCell(0, DType.Float32), 2),
            Throws.ArgumentException.With.Message.Contains("no pointer to the 2 values of 'w'")
        );
        Assert.That(
            () => new MemoryParameter("w", _device, cell, -1),
            Throws.InstanceOf<ArgumentOutOfRangeException>()
        );
        Assert.That(() => new MemoryParameter("", _device, cell, 1), Throws.ArgumentException);
        Assert.That(() => new MemoryParameter("w", null!, cell, 1), Throws.ArgumentNullException);
        Assert.That(
            () => parameter.Gradient = labels.ToCell(),
            Throws.ArgumentException.With.Message.Contains("The gradient of 'w' is int32")
        );
        Assert.That(
            () => parameter.ComputeCopy = cell,
            Throws.ArgumentException.With.Message.Contains("The compute copy of 'w' is float32")
        );
        Assert.That(parameter.Gradient, Is.EqualTo(cell));
        Assert.That(parameter.ComputeCopy, Is.EqualTo(default(TensorCell)));
    }
}
