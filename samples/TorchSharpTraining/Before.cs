using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpTraining;

/// <summary>A loop of TorchSharp alone: float32, its AdamW, its clipping.</summary>
public static class Before
{
    /// <summary>Trains, and returns the last loss.</summary>
    public static double Train(Sequential model, Func<(Tensor x, Tensor y)> batch, int steps)
    {
        using var optimizer = torch.optim.AdamW(model.parameters(), lr: 3e-3, weight_decay: 0.01);
        double last = double.NaN;
        for (int step = 0; step < steps; step++)
        {
            using var scope = torch.NewDisposeScope();
            var (x, y) = batch();
            var loss = functional.cross_entropy(model.call(x), y);
            optimizer.zero_grad();
            loss.backward();
            nn.utils.clip_grad_norm_(model.parameters(), 1.0);
            optimizer.step();
            last = loss.item<float>();
        }
        return last;
    }
}
