using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests.Optimizers;

/// <summary>Half-precision parameters train by float32 masters, where TorchSharp's own optimizers cannot.</summary>
internal sealed class MasterWeightsTests : TorchTests
{
    private const int Steps = 100;

    [Test]
    public void In_bfloat16_TorchSharps_AdamW_stands_still_and_ours_moves()
    {
        Parameter ours = new(ones(4, dtype: ScalarType.BFloat16)),
            theirs = new(ones(4, dtype: ScalarType.BFloat16));
        using var optimizer = new FusedAdamW([ours], lr: 1e-3);
        using var peer = optim.AdamW([theirs], lr: 1e-3);

        RunWith(optimizer, ours, 1f);
        RunWith(peer, theirs, 1f);

        // A step is 0.001. The numbers of bfloat16 below 1 are 0.004 apart.
        Assert.That(Tensors.Floats(theirs), Is.All.EqualTo(1f));
        Assert.That(Tensors.Floats(ours), Is.All.EqualTo(1 - Steps * 1e-3f).Within(0.004f));
    }

    [Test]
    public void In_float16_TorchSharps_AdamW_diverges_and_ours_does_not()
    {
        Parameter ours = new(ones(4, dtype: ScalarType.Float16)),
            theirs = new(ones(4, dtype: ScalarType.Float16));
        using var optimizer = new FusedAdamW([ours], lr: 1e-3);
        using var peer = optim.AdamW([theirs], lr: 1e-3);

        RunWith(optimizer, ours, 1e-3f);
        RunWith(peer, theirs, 1e-3f);

        // The second moment, 1e-9, and epsilon are 0 in float16, and so is what the step divides by.
        Assert.That(Tensors.Floats(theirs), Is.All.EqualTo(float.NegativeInfinity));
        Assert.That(Tensors.Floats(ours), Is.All.EqualTo(1 - Steps * 1e-3f).Within(0.001f));
    }

    [Test]
    public void They_have_the_bits_of_libtorchs_float32_training([Values] bool bfloat16)
    {
        ScalarType type = bfloat16 ? ScalarType.BFloat16 : ScalarType.Float16;
        Parameter[] parameters = Tensors.Parameters(1, type);
        Tensor[][] gradients = Tensors.Gradients(parameters, 10, 2);
        Tensor[] expected = LibTorchKernels.Adam(
            [.. parameters.Select(p => p.to_type(ScalarType.Float32))],
            gradients.Select(step => step.Select(g => g.to_type(ScalarType.Float32)).ToArray()),
            decoupled: true,
            1e-2,
            0.1,
            amsgrad: false,
            maximize: false
        );

        using var optimizer = new FusedAdamW(parameters, lr: 1e-2, weight_decay: 0.1);
        foreach (Tensor[] step in gradients)
        {
            Tensors.Give(parameters, step);
            optimizer.step();
        }

        Dictionary<string, Tensor> state = optimizer.state_dict();
        for (int i = 0; i < parameters.Length; i++)
        {
            Assert.That(Tensors.Bits(state[$"{i}.master"]), Is.EqualTo(Tensors.Bits(expected[i])), $"master {i}");
            Tensor rounded = expected[i].to_type(type);
            Assert.That(Tensors.Bits(parameters[i]), Is.EqualTo(Tensors.Bits(rounded)), $"parameter {i}");
        }
    }

    [Test]
    public void Values_that_others_write_count([Values] bool behindLibTorchsBack)
    {
        var parameter = new Parameter(ones(4, dtype: ScalarType.BFloat16));
        using var optimizer = new FusedSgd([parameter], 1e-3);
        RunWith(optimizer, parameter, 1f);

        using (no_grad())
        {
            Tensor values = full(4, 100f, dtype: ScalarType.BFloat16);
            if (behindLibTorchsBack)
                parameter.bytes = values.bytes;
            else
                parameter.copy_(values);
        }
        RunWith(optimizer, parameter, 1000f);

        // 100 steps of 1 from 100, not from the master's 0.9.
        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(0f).Within(1e-3f));
    }

    [Test]
    public void A_model_that_is_loaded_goes_on_from_what_was_loaded()
    {
        using Linear model = nn.Linear(4, 2);
        model.to(ScalarType.BFloat16);
        using var optimizer = new FusedSgd(model.named_parameters(), 1);
        using var file = new MemoryStream();
        model.save(file);
        float[] saved = Tensors.Floats(model.weight);
        RunWith(optimizer, model.weight, 1f, steps: 3);

        // TorchSharp closes what it has written to.
        using var again = new MemoryStream(file.ToArray());
        model.load(again);
        RunWith(optimizer, model.weight, 1f, steps: 1);

        Assert.That(Tensors.Floats(model.weight), Is.EqualTo(saved.Select(value => value - 1)).Within(0.004f));
    }

    [Test]
    public void Values_written_back_as_they_are_keep_their_masters_precision()
    {
        var parameter = new Parameter(ones(4, dtype: ScalarType.BFloat16));
        using var optimizer = new FusedSgd([parameter], 1e-3);

        for (int step = 0; step < Steps; step++)
        {
            RunWith(optimizer, parameter, 1f, steps: 1);
            using (no_grad())
                parameter.clamp_(-10, 10);
        }

        Assert.That(Tensors.Floats(parameter), Is.All.EqualTo(1 - Steps * 1e-3f).Within(0.004f));
    }

    [Test]
    public void A_model_in_both_precisions_takes_one_step()
    {
        Parameter half = new(ones(4, dtype: ScalarType.Float16)),
            full = new(ones(4));
        using var optimizer = new FusedSgd([half, full], 0.5);
        half.grad = ones(4, dtype: ScalarType.Float16);
        full.grad = ones(4);

        optimizer.step();

        Assert.That(Tensors.Floats(half), Is.All.EqualTo(0.5f));
        Assert.That(Tensors.Floats(full), Is.All.EqualTo(0.5f));
    }

    private static void RunWith(optim.Optimizer optimizer, Parameter parameter, float gradient, int steps = Steps)
    {
        for (int step = 0; step < steps; step++)
        {
            parameter.grad = full_like(parameter, gradient);
            optimizer.step();
        }
    }
}
