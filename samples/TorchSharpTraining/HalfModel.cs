using NativeAmp.TorchSharp;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpTraining;

/// <summary>
/// A whole model in bfloat16: by TorchSharp's AdamW, whose small steps are rounded away, and by the fused one, which
/// keeps float32 masters.
/// </summary>
public static class HalfModel
{
    /// <summary>Trains, and returns the last loss.</summary>
    public static double Train(Sequential model, Func<(Tensor x, Tensor y)> batch, int steps, bool fused)
    {
        model.to(ScalarType.BFloat16);
        using torch.optim.Optimizer optimizer = fused
            ? new FusedAdamW(model.named_parameters(), lr: 1e-4)
            : torch.optim.AdamW(model.parameters(), lr: 1e-4);
        double last = double.NaN;
        for (int step = 0; step < steps; step++)
        {
            using var scope = torch.NewDisposeScope();
            var (x, y) = batch();
            var loss = functional.cross_entropy(
                model.call(x.to_type(ScalarType.BFloat16)).to_type(ScalarType.Float32),
                y
            );
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
            last = loss.item<float>();
        }
        return last;
    }
}
