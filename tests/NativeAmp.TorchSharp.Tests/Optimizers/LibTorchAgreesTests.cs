using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests.Optimizers;

/// <summary>Steps over TorchSharp's parameters give libtorch's results.</summary>
internal sealed class LibTorchAgreesTests : TorchTests
{
    private const int Steps = 10;

    [Test]
    public void AdamW_and_Adam_have_the_bits_of_libtorchs_fused_kernel(
        [Values] bool decoupled,
        [Values] bool amsgrad,
        [Values] bool maximize
    )
    {
        Parameter[] parameters = Tensors.Parameters(1);
        Tensor[][] gradients = Tensors.Gradients(parameters, Steps, 2);
        Tensor[] expected = LibTorchKernels.Adam(parameters, gradients, decoupled, 1e-2, 0.1, amsgrad, maximize);

        using FusedOptimizer optimizer = decoupled
            ? new FusedAdamW(parameters, lr: 1e-2, weight_decay: 0.1, amsgrad: amsgrad, maximize: maximize)
            : new FusedAdam(parameters, lr: 1e-2, weight_decay: 0.1, amsgrad: amsgrad, maximize: maximize);
        Run(optimizer, parameters, gradients);

        AssertBits(parameters, expected);
    }

    [TestCase(0.0)]
    [TestCase(0.9)]
    public void Sgd_has_the_bits_of_libtorchs_fused_kernel(double momentum)
    {
        (Parameter[] actual, Tensor[] expected) = SgdBesideLibTorch(momentum, dampening: 0, nesterov: false);

        AssertBits(actual, expected);
    }

    // There libtorch's fused kernel sums in another order than its torch.optim.SGD, which NativeAmp follows.
    [TestCase(0.5, false)]
    [TestCase(0.0, true)]
    public void Sgd_with_dampening_or_Nesterov_is_libtorchs_within_a_few_roundings(double dampening, bool nesterov)
    {
        (Parameter[] actual, Tensor[] expected) = SgdBesideLibTorch(0.9, dampening, nesterov);

        AssertNear(actual, expected, 1e-6f);
    }

    [Test]
    public void AdamW_is_TorchSharps_within_a_few_roundings()
    {
        Parameter[] parameters = Tensors.Parameters(1),
            peers = Tensors.Parameters(1);
        Tensor[][] gradients = Tensors.Gradients(parameters, 200, 2);

        using var optimizer = new FusedAdamW(parameters, lr: 1e-2, weight_decay: 0.1);
        using var peer = optim.AdamW(peers, lr: 1e-2, weight_decay: 0.1);
        Run(optimizer, parameters, gradients);
        Run(peer, peers, gradients);

        AssertNear(parameters, peers, 1e-5f);
    }

    [Test]
    public void Sgd_is_TorchSharps_within_a_rounding()
    {
        Parameter[] parameters = Tensors.Parameters(1),
            peers = Tensors.Parameters(1);
        Tensor[][] gradients = Tensors.Gradients(parameters, 200, 2);

        using var optimizer = new FusedSgd(parameters, 1e-2, momentum: 0.9, weight_decay: 0.1, nesterov: true);
        using var peer = optim.SGD(peers, 1e-2, momentum: 0.9, weight_decay: 0.1, nesterov: true);
        Run(optimizer, parameters, gradients);
        Run(peer, peers, gradients);

        AssertNear(parameters, peers, 1e-5f);
    }

    [TestCase(0.0)]
    [TestCase(0.9)]
    public void RmsProp_is_TorchSharps_within_a_few_roundings(double momentum)
    {
        Parameter[] parameters = Tensors.Parameters(1),
            peers = Tensors.Parameters(1);
        Tensor[][] gradients = Tensors.Gradients(parameters, 200, 2);

        using var optimizer = new FusedRmsProp(parameters, 1e-3, weight_decay: 0.1, momentum: momentum);
        using var peer = optim.RMSProp(peers, 1e-3, weight_decay: 0.1, momentum: momentum);
        Run(optimizer, parameters, gradients);
        Run(peer, peers, gradients);

        AssertNear(parameters, peers, 1e-5f);
    }

    [Test]
    public void Lion_moves_by_the_sign_of_a_blend()
    {
        Parameter[] parameters = Tensors.Parameters(1),
            peers = Tensors.Parameters(1);
        Tensor[][] gradients = Tensors.Gradients(parameters, Steps, 2);
        using (no_grad())
        {
            Tensor[] momentum = [.. peers.Select(p => zeros_like(p))];
            foreach (Tensor[] g in gradients)
            {
                for (int i = 0; i < peers.Length; i++)
                {
                    peers[i].mul_(1 - 1e-2 * 0.1).sub_((momentum[i] * 0.9 + g[i] * (1 - 0.9)).sign() * 1e-2);
                    momentum[i].mul_(0.99).add_(g[i] * (1 - 0.99));
                }
            }
        }

        using var optimizer = new FusedLion(parameters, lr: 1e-2, weight_decay: 0.1);
        Run(optimizer, parameters, gradients);

        AssertNear(parameters, peers, 1e-6f);
    }

    private static (Parameter[] Actual, Tensor[] Expected) SgdBesideLibTorch(
        double momentum,
        double dampening,
        bool nesterov
    )
    {
        Parameter[] parameters = Tensors.Parameters(1);
        Tensor[][] gradients = Tensors.Gradients(parameters, Steps, 2);
        Tensor[] expected = LibTorchKernels.Sgd(
            parameters,
            gradients,
            1e-2,
            momentum,
            dampening,
            0.1,
            nesterov,
            maximize: false
        );
        using var optimizer = new FusedSgd(
            parameters,
            1e-2,
            momentum: momentum,
            dampening: dampening,
            weight_decay: 0.1,
            nesterov: nesterov
        );
        Run(optimizer, parameters, gradients);
        return (parameters, expected);
    }

    private static void Run(optim.Optimizer optimizer, Parameter[] parameters, Tensor[][] gradients)
    {
        foreach (Tensor[] step in gradients)
        {
            Tensors.Give(parameters, step);
            optimizer.step();
        }
    }

    private static void AssertBits(Tensor[] actual, Tensor[] expected)
    {
        for (int i = 0; i < actual.Length; i++)
            Assert.That(Tensors.Bits(actual[i]), Is.EqualTo(Tensors.Bits(expected[i])), $"parameter {i}");
    }

    private static void AssertNear(Tensor[] actual, Tensor[] expected, float tolerance)
    {
        for (int i = 0; i < actual.Length; i++)
            Assert.That(
                Tensors.Floats(actual[i]),
                Is.EqualTo(Tensors.Floats(expected[i])).Within(tolerance),
                $"parameter {i}"
            );
    }
}
