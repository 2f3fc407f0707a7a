using TorchSharp;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests.Training;

/// <summary>
/// Loops as TorchSharp's users write them, beside TorchSharp's own optimizers and in mixed precision.
/// </summary>
internal sealed class TrainingLoopTests : TorchTests
{
    private const int Steps = 40;

    [Test]
    public void AdamW_trains_as_TorchSharps_does([Values] bool gpt)
    {
        double[] ours = Train(gpt, task => new FusedAdamW(task.Model.named_parameters(), lr: 3e-3, weight_decay: 0.01)),
            theirs = Train(gpt, task => optim.AdamW(task.Model.named_parameters(), lr: 3e-3, weight_decay: 0.01));

        // Each step's difference is of the last bits, and training spreads it.
        Assert.That(ours[..10], Is.EqualTo(theirs[..10]).Within(1e-5));
        Assert.That(ours, Is.EqualTo(theirs).Within(2e-2));
        Assert.That(ours[^1], Is.LessThan(ours[0] / 2));
    }

    [Test]
    public void Sgd_trains_as_TorchSharps_does()
    {
        double[] ours = Train(gpt: false, task => new FusedSgd(task.Model.named_parameters(), 0.05, momentum: 0.9)),
            theirs = Train(gpt: false, task => optim.SGD(task.Model.named_parameters(), 0.05, momentum: 0.9));

        Assert.That(ours[..10], Is.EqualTo(theirs[..10]).Within(1e-5));
        Assert.That(ours, Is.EqualTo(theirs).Within(2e-2));
        Assert.That(ours[^1], Is.LessThan(ours[0]));
    }

    [Test]
    public void Mixed_precision_reaches_float32s_loss(
        [Values] bool gpt,
        [Values(ScalarType.Float16, ScalarType.BFloat16)] ScalarType type
    )
    {
        double[] full = Train(gpt, Adam);
        using var scaler = new GradScaler(enabled: type == ScalarType.Float16);

        double[] mixed = Train(gpt, Adam, type, scaler);

        Assert.That(mixed[^1], Is.EqualTo(full[^1]).Within(0.1));
        Assert.That(scaler.get_scale(), Is.EqualTo(type == ScalarType.Float16 ? 65536f : 1f));
    }

    [Test]
    public void A_whole_model_in_bfloat16_trains_by_its_masters([Values] bool gpt)
    {
        double[] full = Train(gpt, Adam);

        double[] half = Train(gpt, Adam, modelType: ScalarType.BFloat16);

        Assert.That(half[^1], Is.EqualTo(full[^1]).Within(0.15));
    }

    private static FusedAdamW Adam(Task task) => new(task.Model.named_parameters(), lr: 3e-3);

    private static double[] Train(
        bool gpt,
        Func<Task, optim.Optimizer> create,
        ScalarType? autocast = null,
        GradScaler? scaler = null,
        ScalarType modelType = ScalarType.Float32
    )
    {
        using DisposeScope all = NewDisposeScope();
        Task task = gpt ? Task.Gpt() : Task.Cnn();
        if (modelType != ScalarType.Float32)
        {
            task.Model.to(modelType);
            if (!gpt)
                task = task with { Inputs = task.Inputs.to_type(modelType) };
        }
        using optim.Optimizer optimizer = create(task);
        double[] losses = new double[Steps];
        for (int step = 0; step < Steps; step++)
        {
            using DisposeScope one = NewDisposeScope();
            Tensor loss;
            using (amp.autocast(DeviceType.CPU, autocast, enabled: autocast is not null))
                loss = task.Loss();
            optimizer.zero_grad();
            if (scaler is null)
            {
                loss.backward();
                optimizer.step();
            }
            else
            {
                scaler.scale(loss).backward();
                scaler.step(optimizer);
                scaler.update();
            }
            losses[step] = loss.to_type(ScalarType.Float64).item<double>();
        }
        return losses;
    }
}
