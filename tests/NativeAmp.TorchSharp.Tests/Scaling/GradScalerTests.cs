using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests.Scaling;

/// <summary>The scaler follows <c>torch.amp.GradScaler</c>, with fused optimizers and with TorchSharp's own.</summary>
internal sealed class GradScalerTests : TorchTests
{
    [Test]
    public void A_loss_is_multiplied_and_the_step_divides()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([parameter], 0.5);
        using var scaler = new GradScaler(init_scale: 1024);

        scaler.scale(parameter.sum()).backward();
        Assert.That(Tensors.Floats(parameter.grad!), Is.All.EqualTo(1024f));
        StepOutcome outcome = scaler.step(optimizer).Read();
        scaler.update();

        Assert.That(outcome.Stepped, Is.True);
        Assert.That(outcome.GradientNorm, Is.EqualTo(2f));
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
    }

    [Test]
    public void An_overflow_skips_the_step_and_halves_the_scale([Values] bool fused)
    {
        var parameter = new Parameter(ones(4));
        using optim.Optimizer optimizer = Sgd(fused, parameter, 0.5);
        using var scaler = new GradScaler(init_scale: 1024);

        scaler.scale(parameter.sum() * float.PositiveInfinity).backward();
        bool stepped = scaler.step(optimizer);
        scaler.update();

        Assert.That(stepped, Is.False);
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(1f));
        Assert.That(scaler.get_scale(), Is.EqualTo(512f));
    }

    [Test]
    public void Good_steps_let_the_scale_grow([Values] bool fused)
    {
        var parameter = new Parameter(ones(4));
        using optim.Optimizer optimizer = Sgd(fused, parameter, 0.01);
        using var scaler = new GradScaler(init_scale: 8, growth_interval: 3);
        var scales = new List<float>();

        for (int step = 0; step < 7; step++)
        {
            optimizer.zero_grad();
            scaler.scale(parameter.sum()).backward();
            Assert.That(scaler.step(optimizer), Is.True);
            scaler.update();
            scales.Add(scaler.get_scale());
        }

        Assert.That(scales, Is.EqualTo(new float[] { 8, 8, 16, 16, 16, 32, 32 }));
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(1 - 7 * 0.01f).Within(1e-6f));
    }

    [Test]
    public void Unscaled_gradients_can_be_read_and_clipped_by_torch([Values] bool fused)
    {
        var parameter = new Parameter(ones(4));
        using optim.Optimizer optimizer = Sgd(fused, parameter, 1);
        using var scaler = new GradScaler();

        scaler.scale(parameter.sum()).backward();
        scaler.unscale_(optimizer);
        Assert.That(Tensors.Floats(parameter.grad!), Is.All.EqualTo(1f));
        nn.utils.clip_grad_norm_([parameter], 0.5);
        scaler.step(optimizer);
        scaler.update();

        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.75f).Within(1e-5f));
    }

    [Test]
    public void Clipping_in_the_step_is_that_of_torch()
    {
        Parameter[] parameters = Tensors.Parameters(3),
            peers = Tensors.Parameters(3);
        Tensor[] gradients = Tensors.Gradients(parameters, 1, 4)[0];
        using var optimizer = new FusedSgd(parameters, 1);
        using var peer = optim.SGD(peers, 1);
        Tensors.Give(parameters, gradients);
        Tensors.Give(peers, [.. gradients.Select(g => g.clone())]);

        optimizer.clip_grad_norm_(0.5);
        optimizer.step();
        double norm = nn.utils.clip_grad_norm_(peers, 0.5);
        peer.step();

        Assert.That(optimizer.LastStep.Read().GradientNorm, Is.EqualTo(norm).Within(norm * 1e-6));
        for (int i = 0; i < parameters.Length; i++)
            Assert.That(Tensors.Floats(parameters[i]), Is.EqualTo(Tensors.Floats(peers[i])).Within(1e-6f));
    }

    [Test]
    public void Float16_gradients_are_unscaled_by_the_step_alone()
    {
        var parameter = new Parameter(ones(4, dtype: ScalarType.Float16));
        using var optimizer = new FusedSgd([parameter], 0.5);
        using var scaler = new GradScaler(init_scale: 128);
        scaler.scale(parameter.sum()).backward();

        Assert.That(
            () => scaler.unscale_(optimizer),
            Throws.InvalidOperationException.With.Message.Contains("Attempting to unscale float16 gradients")
        );
        scaler.step(optimizer);

        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
    }

    [Test]
    public void Calls_out_of_order_are_errors([Values] bool fused)
    {
        var parameter = new Parameter(ones(4));
        using optim.Optimizer optimizer = Sgd(fused, parameter, 0.5);
        using var scaler = new GradScaler();

        Assert.That(scaler.update, Throws.InvalidOperationException.With.Message.Contains("No inf checks"));
        Assert.That(() => scaler.step(optimizer), Throws.InvalidOperationException.With.Message.Contains("gradient"));
        scaler.scale(parameter.sum()).backward();
        scaler.unscale_(optimizer);
        Assert.That(
            () => scaler.unscale_(optimizer),
            Throws.InvalidOperationException.With.Message.Contains("already been called")
        );
        scaler.step(optimizer);
        Assert.That(
            () => scaler.step(optimizer),
            Throws.InvalidOperationException.With.Message.Contains("already been called")
        );
        Assert.That(
            () => scaler.unscale_(optimizer),
            Throws.InvalidOperationException.With.Message.Contains("called after")
        );
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
    }

    [Test]
    public void A_disabled_scaler_trains_without_scaling([Values] bool fused)
    {
        var parameter = new Parameter(ones(4));
        using optim.Optimizer optimizer = Sgd(fused, parameter, 0.5);
        using var scaler = new GradScaler(enabled: false);

        scaler.scale(parameter.sum()).backward();
        scaler.unscale_(optimizer);
        scaler.step(optimizer);
        scaler.update();

        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
        Assert.That(scaler.get_scale(), Is.EqualTo(1f));
        Assert.That(scaler.state_dict(), Is.Empty);
    }

    [Test]
    public void The_state_has_PyTorchs_keys_and_goes_on_elsewhere()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([parameter], 0.01);
        using var scaler = new GradScaler(init_scale: 8, growth_factor: 4, backoff_factor: 0.25, growth_interval: 2);
        Step(scaler);
        Dictionary<string, double> state = scaler.state_dict();
        using var other = new GradScaler();
        other.load_state_dict(state);
        Step(other);

        Assert.That(
            state,
            Is.EquivalentTo(
                new Dictionary<string, double>
                {
                    ["scale"] = 8,
                    ["growth_factor"] = 4,
                    ["backoff_factor"] = 0.25,
                    ["growth_interval"] = 2,
                    ["_growth_tracker"] = 1,
                }
            )
        );
        Assert.That(other.get_scale(), Is.EqualTo(32f));

        void Step(GradScaler with)
        {
            optimizer.zero_grad();
            with.scale(parameter.sum()).backward();
            with.step(optimizer);
            with.update();
        }
    }

    [Test]
    public void A_state_that_is_not_possible_changes_nothing()
    {
        using var scaler = new GradScaler(init_scale: 8);
        Dictionary<string, double> state = scaler.state_dict();

        Assert.That(
            () => scaler.load_state_dict(new Dictionary<string, double>()),
            Throws.ArgumentException.With.Message.Contains("has no 'growth_factor'")
        );
        state["scale"] = double.NaN;
        Assert.That(() => scaler.load_state_dict(state), Throws.ArgumentException);
        state["scale"] = 4;
        state["growth_interval"] = 1.5;
        Assert.That(() => scaler.load_state_dict(state), Throws.ArgumentException.With.Message.Contains("no count"));

        Assert.That(scaler.get_scale(), Is.EqualTo(8f));
        Assert.That(() => new GradScaler(init_scale: -1), Throws.ArgumentException);
        Assert.That(() => scaler.update(double.PositiveInfinity), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public void TorchSharps_own_optimizers_are_refused_half_precision_parameters()
    {
        var parameter = new Parameter(ones(4, dtype: ScalarType.Float16));
        using optim.Optimizer optimizer = Sgd(fused: false, parameter, 0.5);
        using var scaler = new GradScaler();
        scaler.scale(parameter.sum() / 65536).backward();

        Assert.That(
            () => scaler.step(optimizer),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("keep no float32 values")
        );
    }

    [Test]
    public void Parameters_that_TorchSharps_own_optimizer_gets_later_are_scaled_too()
    {
        Parameter first = new(ones(4)),
            second = new(ones(4));
        using SGD optimizer = optim.SGD([first], 0.5);
        using var scaler = new GradScaler();
        scaler.scale(first.sum()).backward();
        scaler.step(optimizer);
        scaler.update();

        optimizer.add_param_group(new SGD.ParamGroup([second], 0.25));
        optimizer.zero_grad();
        scaler.scale(first.sum() + second.sum()).backward();
        scaler.unscale_(optimizer);
        Assert.That(Tensors.Floats(second.grad!), Is.All.EqualTo(1f));

        optimizer.add_param_group(new SGD.ParamGroup([new Parameter(ones(4))], 0.25));
        Assert.That(
            () => scaler.step(optimizer),
            Throws.InvalidOperationException.With.Message.Contains("other parameters after unscale_")
        );
    }

    private static optim.Optimizer Sgd(bool fused, Parameter parameter, double rate) =>
        fused ? new FusedSgd([parameter], rate) : optim.SGD([parameter], rate);
}
