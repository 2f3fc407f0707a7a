using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests.Optimizers;

/// <summary>The state is a dictionary of tensors.</summary>
internal sealed class StateDictTests : TorchTests
{
    [Test]
    public void Training_goes_on_from_a_state_with_the_same_bits([Values] bool half)
    {
        ScalarType type = half ? ScalarType.BFloat16 : ScalarType.Float32;
        Parameter[] parameters = Tensors.Parameters(1, type);
        Tensor[][] gradients = Tensors.Gradients(parameters, 6, 2);
        using var optimizer = new FusedAdamW(parameters, lr: 1e-2, amsgrad: true);
        Run(optimizer, parameters, gradients[..3]);
        optimizer.ParamGroups.First().LearningRate = 5e-3;
        Dictionary<string, Tensor> state = optimizer.state_dict();
        Parameter[] copies = [.. parameters.Select(p => new Parameter(p.detach().clone()))];
        Run(optimizer, parameters, gradients[3..]);

        using var other = new FusedAdamW(copies, lr: 1e-2, amsgrad: true);
        other.load_state_dict(state);
        Run(other, copies, gradients[3..]);

        for (int i = 0; i < copies.Length; i++)
            Assert.That(Tensors.Bits(copies[i]), Is.EqualTo(Tensors.Bits(parameters[i])), $"parameter {i}");
    }

    [Test]
    public void Its_keys_are_the_parameters_names_and_PyTorchs_columns()
    {
        using Linear model = nn.Linear(3, 2);
        model.call(ones(1, 3)).sum().backward();
        using var optimizer = new FusedAdamW(model.named_parameters(), lr: 0.25);
        optimizer.step();

        Dictionary<string, Tensor> state = optimizer.state_dict();

        Assert.That(
            state.Keys,
            Is.EquivalentTo(
                new[]
                {
                    "applied_steps",
                    "param_groups.0.lr",
                    "param_groups.0.initial_lr",
                    "weight.step",
                    "weight.exp_avg",
                    "weight.exp_avg_sq",
                    "bias.step",
                    "bias.exp_avg",
                    "bias.exp_avg_sq",
                }
            )
        );
        Assert.That(state["weight.step"].item<long>(), Is.EqualTo(1));
        Assert.That(state["weight.exp_avg"].shape, Is.EqualTo(new long[] { 2, 3 }));
        Assert.That(Tensors.Floats(state["weight.exp_avg"]), Is.All.EqualTo(0.1f).Within(1e-7f));
        Assert.That(state["param_groups.0.lr"].item<double>(), Is.EqualTo(0.25));
    }

    [Test]
    public void States_follow_the_dimensions_whatever_their_order_in_memory()
    {
        Tensor gradient = randn(2, 3, 4);
        var parameter = new Parameter(zeros(4, 3, 2).permute(2, 1, 0));
        parameter.grad = empty_like(parameter).copy_(gradient);
        using var optimizer = new FusedSgd([("p", parameter)], 1, momentum: 0.5);
        optimizer.step();

        Dictionary<string, Tensor> state = optimizer.state_dict();
        Assert.That(Tensors.Floats(state["p.momentum_buffer"]), Is.EqualTo(Tensors.Floats(gradient)));

        optimizer.load_state_dict(state);
        Assert.That(Tensors.Floats(optimizer.state_dict()["p.momentum_buffer"]), Is.EqualTo(Tensors.Floats(gradient)));
    }

    [Test]
    public void A_state_that_does_not_fit_changes_nothing()
    {
        var parameter = new Parameter(ones(4));
        parameter.grad = ones(4);
        using var optimizer = new FusedSgd([("p", parameter)], 1, momentum: 0.5);
        optimizer.step();

        AssertRefused(state => state.Remove("p.momentum_buffer"), "has no 'p.momentum_buffer'");
        AssertRefused(state => state["p.momentum_buffer"] = zeros(5), "has the shape [5]");
        AssertRefused(state => state["q.step"] = zeros(1), "has 'q.step', which");
        AssertRefused(state => state["p.step"] = tensor(-1L), "-1 times");
        AssertRefused(state => state["p.step"] = tensor(1.0), "is Float64 on cpu");
        AssertRefused(state => state["param_groups.0.lr"] = tensor(double.NaN), "learning rate is NaN");

        void AssertRefused(Action<Dictionary<string, Tensor>> spoil, string message)
        {
            Dictionary<string, Tensor> state = optimizer.state_dict();
            spoil(state);
            Assert.That(
                () => optimizer.load_state_dict(state),
                Throws.InstanceOf<ArgumentException>().With.Message.Contains(message)
            );
            Assert.That(Tensors.Floats(optimizer.state_dict()["p.momentum_buffer"]), Is.All.EqualTo(1f));
        }
    }

    private static void Run(FusedOptimizer optimizer, Parameter[] parameters, Tensor[][] gradients)
    {
        foreach (Tensor[] step in gradients)
        {
            Tensors.Give(parameters, step);
            optimizer.step();
        }
    }
}
