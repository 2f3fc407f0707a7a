namespace NativeAmp.Training.Tests.Autograd;

/// <summary>Gradients after Unscale, in a loop that does not continue with the step.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class UnscaledGradientsTests(DeviceKind kind)
{
    private Device _device = null!;
    private Linear _model = null!;
    private Tensor _input = null!;
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;

    [SetUp]
    public void Open()
    {
        _device = kind.Open(1);
        _model = new Linear(2, 1, bias: false).To(_device);
        // Numbers whose products and sums are exact.
        _model.Weight.CopyFrom<float>([0.5f, 0.25f]);
        _input = Tensor.From<float>(_device, [0.25f, 0.5f], new Shape(1, 2));
        _optimizer = new FusedAdam(_model.Parameters());
        _scaler = new GradScaler(_device, new GradScalerOptions { InitialScale = 1024, GrowthInterval = 1 });
    }

    [TearDown]
    public void Close()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        _input.Dispose();
        _model.Dispose();
        _device.Dispose();
    }

    [Test]
    public void A_gradient_that_began_after_Unscale_is_refused_whoever_cleared_the_one_before([Values] bool half)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        _model.ZeroGrad();
        Backward(half);

        Assert.That(
            () => _scaler.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("began anew")
        );
        Assert.That(_optimizer.CountAppliedSteps(), Is.Zero);
    }

    [Test]
    public void Without_a_step_gradients_lose_the_scale_that_they_had_and_not_the_one_that_came_after(
        [Values] bool half
    )
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        _scaler.Update();

        Assert.That(_scaler.GetScale(), Is.EqualTo(2048));
        // d(mean of x w)/dw = x
        Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 0.25f, 0.5f }));
    }

    [Test]
    public void A_scale_that_is_set_after_Unscale_is_not_theirs([Values] bool half, [Values] bool loaded)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        if (loaded)
            _scaler.LoadState(_scaler.SaveState() with { Scale = 4096 });
        else
            _scaler.Update(4096);

        Assert.That(_scaler.GetScale(), Is.EqualTo(4096));
        Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 0.25f, 0.5f }));
    }

    [Test]
    public void Gradients_are_not_divided_by_the_scale_twice([Values] bool half, [Values] bool newScale)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        if (newScale)
            _scaler.Update(4096);
        else
            _scaler.Update();

        const string Twice = "would be divided by the scale twice";
        Assert.That(() => _scaler.Step(_optimizer), Throws.InvalidOperationException.With.Message.Contains(Twice));
        Assert.That(() => _scaler.Unscale(_optimizer), Throws.InvalidOperationException.With.Message.Contains(Twice));
        Assert.That(_optimizer.CountAppliedSteps(), Is.Zero);
        Assert.That(
            _optimizer.Step().Read().GradientNorm,
            Is.EqualTo(MathF.Sqrt(0.25f * 0.25f + 0.5f * 0.5f)).Within(1e-6f)
        );

        _model.ZeroGrad();
        Backward(half);
        Assert.That(_scaler.Step(_optimizer).Read().Skipped, Is.False);
    }

    [Test]
    public void After_a_step_gradients_show_unscaled_until_the_scale_changes([Values] bool half, [Values] bool loads)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        if (loads)
            _optimizer.LoadState(_optimizer.SaveState());
        else
            _scaler.Step(_optimizer);
        Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 0.25f, 0.5f }));
        _scaler.Update();
        Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 0.25f, 0.5f }));

        // Not looked at in time, half-precision gradients carry a scale that is gone.
        _optimizer.ZeroGrad();
        Backward(half);
        _scaler.Unscale(_optimizer);
        _scaler.Step(_optimizer);
        _scaler.Update(4096);
        if (half)
        {
            const string Lost = "The gradient of 'weight' carries the loss scale of before the last Update still";
            Assert.That(() => _model.Weight.Gradient, Throws.InvalidOperationException.With.Message.StartsWith(Lost));
            Assert.That(_optimizer.Step, Throws.InvalidOperationException.With.Message.StartsWith(Lost));
        }
        else
            Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 0.25f, 0.5f }));

        _model.ZeroGrad();
        Backward(half);
        Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 1024f, 2048 }));
        Assert.That(_scaler.Step(_optimizer).Read().Skipped, Is.False);
    }

    [Test]
    public void A_gradient_that_a_step_left_is_not_divided_again([Values] bool half)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        _scaler.Step(_optimizer);
        _scaler.Update();

        Assert.That(
            () => _scaler.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("would be divided by the scale twice")
        );
        Assert.That(_optimizer.CountAppliedSteps(), Is.EqualTo(1));

        // Without Unscale each step divides for itself.
        _model.ZeroGrad();
        Backward(half);
        _scaler.Step(_optimizer);
        _scaler.Update(2048);
        Backward(half);
        Assert.That(() => _scaler.Step(_optimizer), Throws.InvalidOperationException.With.Message.Contains("ZeroGrad"));
    }

    [Test]
    public void An_overflow_that_Unscale_found_counts_whoever_clears_the_gradients(
        [Values] bool half,
        [Values] bool model
    )
    {
        Backward(half, float.PositiveInfinity);
        _scaler.Unscale(_optimizer);
        if (model)
            _model.ZeroGrad();
        else
            _optimizer.ZeroGrad();
        _scaler.Update();

        Assert.That(_scaler.GetScale(), Is.EqualTo(512));
    }

    [Test]
    public void A_gradient_that_began_after_Unscale_keeps_the_scale([Values] bool half, [Values] bool read)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);
        _model.ZeroGrad();
        Backward(half);
        if (read)
            Assert.That(_model.Weight.Gradient!.ToFloats(), Is.EqualTo(new[] { 256f, 512 }));
        Assert.That(() => _scaler.Step(_optimizer), Throws.InvalidOperationException);
        _scaler.Update(1024);

        Assert.That(
            _scaler.Step(_optimizer).Read().GradientNorm,
            Is.EqualTo(MathF.Sqrt(0.25f * 0.25f + 0.5f * 0.5f)).Within(1e-6f)
        );
    }

    [Test]
    public void The_optimizers_own_step_after_Unscale_takes_unscaled_gradients([Values] bool half)
    {
        Backward(half);
        _scaler.Unscale(_optimizer);

        Assert.That(
            _optimizer.Step().Read().GradientNorm,
            Is.EqualTo(MathF.Sqrt(0.25f * 0.25f + 0.5f * 0.5f)).Within(1e-6f)
        );
    }

    private void Backward(bool half, float factor = 1)
    {
        using var scope = Autocast.Enter(half ? PrecisionPolicy.Float16 : PrecisionPolicy.Float32);
        Tensor output = _model.Forward(_input);
        using Tensor one = Tensor.From<float>(_device, [0], new Shape(1, 1));
        // The gradient of (y - t)^2 is 2 (y - t): a target that makes it 1.
        one.CopyFrom<float>([output.ToFloats()[0] - 0.5f]);
        _scaler.Scale(Loss.MeanSquaredError(output, one) * factor).Backward();
    }
}
