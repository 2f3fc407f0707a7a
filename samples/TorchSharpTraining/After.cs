using NativeAmp.TorchSharp;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpTraining;

/// <summary>The same loop in mixed precision: parameters in float32, products in half precision.</summary>
public static class After
{
    /// <summary>Trains, and returns the last loss.</summary>
    public static double Train(Sequential model, Func<(Tensor x, Tensor y)> batch, int steps)
    {
        using var optimizer = new FusedAdamW(model.named_parameters(), lr: 3e-3, weight_decay: 0.01);
        using var scaler = new GradScaler();
        double last = double.NaN;
        for (int step = 0; step < steps; step++)
        {
            using var scope = torch.NewDisposeScope();
            var (x, y) = batch();
            Tensor loss;
            using (amp.autocast(x.device, ScalarType.Float16))
                loss = functional.cross_entropy(model.call(x), y);
            optimizer.zero_grad();
            scaler.scale(loss).backward();
            optimizer.clip_grad_norm_(1.0);
            scaler.step(optimizer);
            scaler.update();
            last = loss.item<float>();
        }
        return last;
    }
}
