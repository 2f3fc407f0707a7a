namespace NativeAmp.Tests;

/// <summary>
/// Calls in every order that a training loop may use: the right step, or an error; never a step with unchecked
/// gradients.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class StepOrderTests(DeviceKind kind)
{
    private const float Scale = 1024;

    private Device _device = null!;
    private TestParameter _parameter = null!;
    private FusedAdam _optimizer = null!;
    private GradScaler _scaler = null!;

    [SetUp]
    public void Open()
    {
        _device = kind.Open(1);
        _parameter = new TestParameter(_device, "p", 1, 1);
        // An epsilon that tells a scaled gradient from one that is not.
        _optimizer = new FusedAdam(
            [_parameter],
            new AdamOptions
            {
                LearningRate = 1,
                Epsilon = 1,
                WeightDecay = 0,
            }
        );
        _scaler = new GradScaler(_device, GradScalerOptions.Static(Scale));
    }

    [TearDown]
    public void Close()
    {
        _scaler.Dispose();
        _optimizer.Dispose();
        _parameter.Dispose();
        _device.Dispose();
    }

    [Test]
    public void Gradients_of_after_Unscale_are_not_stepped_with_as_if_they_had_been_checked([Values] bool fromZeroGrad)
    {
        using var other = new TestParameter(_device, "late", 1, 1);
        using var both = new FusedAdam([_parameter, other]);
        _parameter.SetGradient(Scale, Scale);
        _scaler.Unscale(both);
        if (fromZeroGrad)
        {
            both.ZeroGrad();
            _parameter.SetGradient(float.NaN, Scale);
        }
        else
        {
            other.SetGradient(float.NaN, Scale);
        }

        Assert.That(
            () => _scaler.Step(both),
            Throws.InvalidOperationException.With.Message.Contains("not those that Unscale checked")
        );

        Assert.That((_parameter.Values, other.Values), Is.EqualTo((new[] { 1f, 1f }, new[] { 1f, 1f })));
        Assert.That(both.CountAppliedSteps(), Is.Zero);
        // The remedy that the message names.
        _scaler.Update();
        Assert.That(_scaler.Step(both).Read().Skipped);
    }

    [Test]
    public void A_state_that_was_loaded_after_Unscale_forgets_what_it_found()
    {
        var state = _optimizer.SaveState();
        _parameter.SetGradient(float.PositiveInfinity, Scale);
        _scaler.Unscale(_optimizer);
        _optimizer.LoadState(state);

        Assert.That(
            () => _scaler.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("LoadState")
        );
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 1f, 1f }));
    }

    [Test]
    public void A_step_of_the_optimizer_alone_after_Unscale_is_the_one_and_the_scalers_is_refused()
    {
        _parameter.SetGradient(Scale, Scale);
        _scaler.Unscale(_optimizer);

        _optimizer.Step();

        // lr * g / (g + eps) with g = 1
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 0.5f, 0.5f }).Within(1e-6f));
        Assert.That(
            () => _scaler.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("a step was taken")
        );
    }

    [Test]
    public void Half_gradients_that_Unscale_left_scaled_are_not_taken_for_unscaled_ones()
    {
        _parameter.SetGradient((Half)Scale, (Half)Scale);
        _scaler.Unscale(_optimizer);

        Assert.That(_optimizer.Step, Throws.InvalidOperationException.With.Message.Contains("stay scaled"));
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 1f, 1f }));
        _scaler.Step(_optimizer);
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 0.5f, 0.5f }).Within(1e-6f));
    }

    [Test]
    public void Another_scaler_does_not_unscale_again_what_one_has_checked()
    {
        using var other = new GradScaler(_device, GradScalerOptions.Static(8));
        _parameter.SetGradient(Scale, Scale);
        _scaler.Unscale(_optimizer);

        Assert.That(
            () => other.Step(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("another scaler")
        );
        Assert.That(
            () => other.Unscale(_optimizer),
            Throws.InvalidOperationException.With.Message.Contains("another scaler")
        );

        _scaler.Step(_optimizer);
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 0.5f, 0.5f }).Within(1e-6f));
    }

    [Test]
    public void Of_two_optimizers_one_may_step_and_the_other_only_be_checked()
    {
        using var scaler = new GradScaler(_device, new GradScalerOptions { InitialScale = Scale });
        using var q = new TestParameter(_device, "q", 1);
        using var checkedOnly = new FusedAdam([q]);
        _parameter.SetGradient(Scale, Scale);
        q.SetGradient(float.PositiveInfinity);

        scaler.Unscale(checkedOnly);
        Assert.That(scaler.Step(_optimizer).Read().Stepped);
        scaler.Update();

        Assert.That(scaler.GetScale(), Is.EqualTo(Scale / 2), "what was only checked counts");
        Assert.That(q.Values[0], Is.EqualTo(1));
    }

    [Test]
    public void Without_a_learning_rate_nothing_moves_but_the_moments_and_the_count()
    {
        _optimizer.Groups[0].Options = _optimizer.Groups[0].Options with { LearningRate = 0 };
        _parameter.SetGradient(Scale, -Scale);
        _scaler.Step(_optimizer);

        var moments = _optimizer.SaveState().Parameters[0];
        Assert.That(_parameter.Values, Is.EqualTo(new[] { 1f, 1f }));
        Assert.That(moments.State["exp_avg"], Is.EqualTo(new[] { 0.1f, -0.1f }).Within(1e-6f));
        Assert.That(moments.Step, Is.EqualTo(1));
    }
}
