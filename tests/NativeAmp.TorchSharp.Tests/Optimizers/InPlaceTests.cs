using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests.Optimizers;

/// <summary>Parameters and gradients stay TorchSharp's, and what cannot be trained is refused.</summary>
internal sealed class InPlaceTests : TorchTests
{
    [Test]
    public void A_step_writes_the_parameters_own_memory()
    {
        var parameter = new Parameter(ones(4));
        nint before = Place(parameter);
        using var optimizer = new FusedSgd([parameter], 0.5);
        parameter.grad = ones(4);

        optimizer.step();

        Assert.That(Place(parameter), Is.EqualTo(before));
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
    }

    [Test]
    public void A_backward_pass_that_needs_the_old_values_is_refused()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([parameter], 0.5);
        Tensor loss = parameter.pow(2).sum();
        parameter.grad = ones(4);

        optimizer.step();

        Assert.That(() => loss.backward(), Throws.Exception.With.Message.Contains("modified by an inplace operation"));
    }

    [Test]
    public void A_parameter_without_a_gradient_is_left_out()
    {
        Parameter first = new(ones(4)),
            second = new(ones(4));
        using var optimizer = new FusedAdamW([first, second], lr: 0.5, weight_decay: 0.5);
        first.grad = ones(4);

        optimizer.step();

        Assert.That(Tensors.Floats(first), Is.All.LessThan(1f));
        Assert.That(Tensors.Floats(second), Is.All.EqualTo(1f));
    }

    [Test]
    public void Without_any_gradient_a_step_is_an_error()
    {
        using var optimizer = new FusedAdamW([new Parameter(ones(4))]);

        Assert.That(() => optimizer.step(), Throws.InvalidOperationException.With.Message.Contains("has a gradient"));
    }

    [Test]
    public void Zero_grad_zeroes_as_TorchSharp_does_or_drops()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([parameter], 0.5);
        parameter.grad = ones(4);

        optimizer.zero_grad();
        Assert.That(Tensors.Floats(parameter.grad!), Is.All.Zero);

        optimizer.zero_grad(set_to_none: true);
        Assert.That(parameter.grad, Is.Null);
    }

    [Test]
    public void Tied_weights_are_one_parameter()
    {
        var shared = new Parameter(ones(4));
        var other = new Parameter(ones(2));
        using var optimizer = new FusedSgd([shared, other, shared], 0.5);
        shared.grad = ones(4);

        optimizer.step();

        Assert.That(optimizer.parameters().Count(), Is.EqualTo(2));
        Assert.That(Tensors.Floats(shared), Is.All.EqualTo(0.5f));
    }

    [Test]
    public void Groups_and_tensors_that_share_memory_are_refused()
    {
        var parameter = new Parameter(ones(4));
        FusedSgd.ParamGroup[] groups = [new([parameter], 0.5), new([parameter], 0.1)];
        Assert.That(() => new FusedSgd(groups), Throws.ArgumentException.With.Message.Contains("is in two groups"));

        Tensor whole = zeros(8);
        Parameter left = new(whole.slice(0, 0, 5, 1)),
            right = new(whole.slice(0, 4, 8, 1));
        Assert.That(
            () => new FusedSgd([("left", left), ("right", right)], 0.5),
            Throws.ArgumentException.With.Message.Contains("'left' and 'right' share memory")
        );
    }

    [Test]
    public void A_channels_last_parameter_trains_with_a_gradient_of_its_layout()
    {
        Tensor values = randn(2, 3, 4, 5);
        var parameter = new Parameter(values.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2));
        Tensor gradient = randn(2, 3, 4, 5);
        using var optimizer = new FusedSgd([parameter], 0.5);
        Assert.That(parameter.is_contiguous(), Is.False);

        parameter.grad = gradient;
        Assert.That(() => optimizer.step(), Throws.InvalidOperationException.With.Message.Contains("strides"));

        parameter.grad = empty_like(parameter).copy_(gradient);
        optimizer.step();
        Assert.That(Tensors.Floats(parameter), Is.EqualTo(Tensors.Floats(values - gradient * 0.5)).Within(1e-7f));
    }

    [Test]
    public void A_view_with_gaps_is_refused()
    {
        var parameter = new Parameter(zeros(4, 4).slice(1, 0, 2, 1));

        Assert.That(
            () => new FusedSgd([("0.weight", parameter)], 0.5),
            Throws.ArgumentException.With.Message.Contains("'0.weight' lie in memory with gaps")
        );
    }

    [Test]
    public void Other_types_and_computed_tensors_are_refused()
    {
        Assert.That(
            () => new FusedAdamW([new Parameter(ones(4, dtype: ScalarType.Float64))]),
            Throws.ArgumentException.With.Message.Contains("is Float64")
        );
        Assert.That(
            () => new FusedAdamW(Array.Empty<Parameter>()),
            Throws.ArgumentException.With.Message.Contains("at least one parameter")
        );
        using (inference_mode())
        {
            var made = new Parameter(ones(4));
            Assert.That(
                () => new FusedAdamW([made]),
                Throws.ArgumentException.With.Message.Contains("made in inference mode")
            );
        }
    }

    [Test]
    public void A_gradient_in_another_type_is_widened()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([parameter], 0.5);
        parameter.grad = ones(4, dtype: ScalarType.BFloat16);

        optimizer.step();

        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
    }

    [Test]
    public void Gradients_that_cannot_be_used_are_errors_that_change_nothing()
    {
        Parameter first = new(ones(2, 2)),
            second = new(ones(2, 2));
        using var optimizer = new FusedSgd([("a", first), ("b", second)], 0.5);
        first.grad = ones(2, 2);

        second.grad = ones(2, 2).to_sparse();
        AssertRefused("'b' is sparse");
        second.grad = ones(2, 2, dtype: ScalarType.Float64);
        AssertRefused("'b' is Float64");
        second.grad = ones(4);
        AssertRefused("'b' has the shape [4]");
        second.grad = ones(2, 2, device: META);
        AssertRefused("'b' is on meta");

        void AssertRefused(string message)
        {
            Assert.That(() => optimizer.step(), Throws.InvalidOperationException.With.Message.Contains(message));
            Assert.That(Tensors.Floats(first), Is.All.EqualTo(1f));
        }
    }

    [Test]
    public void A_model_that_moved_after_its_optimizer_was_made_is_an_error()
    {
        using Linear model = nn.Linear(4, 4);
        using var optimizer = new FusedSgd(model.named_parameters(), 0.5);

        model.to(ScalarType.BFloat16);
        model.call(ones(1, 4, dtype: ScalarType.BFloat16)).sum().backward();

        Assert.That(
            () => optimizer.step(),
            Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("'weight' was disposed, as module.to(...)")
        );
    }

    [Test]
    public void Memory_that_was_exchanged_under_a_parameter_is_an_error()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([("p", parameter)], 0.5);
        parameter.grad = ones(4);

        using (no_grad())
            parameter.set_(ones(4));

        Assert.That(
            () => optimizer.step(),
            Throws.InvalidOperationException.With.Message.Contains("memory of the parameter 'p' was exchanged")
        );
    }

    [Test]
    public void A_disposed_optimizer_says_so()
    {
        var optimizer = new FusedSgd([new Parameter(ones(4))], 0.5);
        optimizer.Dispose();

        Assert.That(() => optimizer.step(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => optimizer.zero_grad(), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => optimizer.state_dict(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void TorchSharps_schedulers_change_the_learning_rate()
    {
        var parameter = new Parameter(zeros(1));
        using var optimizer = new FusedSgd([parameter], 1.0);
        var scheduler = optim.lr_scheduler.StepLR(optimizer, step_size: 1, gamma: 0.5);
        for (int step = 0; step < 3; step++)
        {
            parameter.grad = ones(1);
            optimizer.step();
            scheduler.step();
        }

        // 1 + 1/2 + 1/4
        Assert.That(Tensors.Floats(parameter), Is.EqualTo(new[] { -1.75f }));
    }

    [Test]
    public void The_one_cycle_scheduler_changes_betas_too()
    {
        using var optimizer = new FusedAdamW([new Parameter(zeros(1))], lr: 1e-3);

        _ = optim.lr_scheduler.OneCycleLR(optimizer, max_lr: 0.1, total_steps: 10);

        Assert.That(optimizer.Betas.Item1, Is.EqualTo(0.95));
        Assert.That(optimizer.ParamGroups.First().LearningRate, Is.EqualTo(0.1 / 25).Within(1e-12));
    }

    [Test]
    public void A_closure_computes_the_gradients_and_its_loss_comes_back()
    {
        var parameter = new Parameter(ones(4));
        using var optimizer = new FusedSgd([parameter], 0.5);

        Tensor? loss = optimizer.step(() =>
        {
            optimizer.zero_grad();
            Tensor sum = parameter.sum();
            sum.backward();
            return sum;
        });

        Assert.That(loss!.item<float>(), Is.EqualTo(4f));
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0.5f));
    }

    private static unsafe nint Place(Tensor tensor)
    {
        fixed (byte* pointer = tensor.bytes)
            return (nint)pointer;
    }
}
