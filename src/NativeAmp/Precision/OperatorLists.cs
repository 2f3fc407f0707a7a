using System.Collections.Frozen;

namespace NativeAmp;

/// <summary>The operators that autocast knows, each with its default precision.</summary>
/// <remarks>
/// The lists are PyTorch's (torch/amp autocast, CUDA op lists). Arithmetic within an operator is always float32; the
/// precision is that of its inputs and outputs. An operator that is not listed uses the widest type among its inputs.
/// </remarks>
public static class OperatorLists
{
    /// <summary>Every operator with its default precision.</summary>
    public static FrozenDictionary<string, OperatorPrecision> Default { get; } =
        new Dictionary<string, OperatorPrecision>
        {
            ["matmul"] = OperatorPrecision.Compute,
            ["linear"] = OperatorPrecision.Compute,
            ["conv2d"] = OperatorPrecision.Compute,
            ["attention"] = OperatorPrecision.Compute,
            ["softmax"] = OperatorPrecision.Float32,
            ["layer_norm"] = OperatorPrecision.Float32,
            ["rms_norm"] = OperatorPrecision.Float32,
            ["sum"] = OperatorPrecision.Float32,
            ["mean"] = OperatorPrecision.Float32,
            ["cross_entropy"] = OperatorPrecision.Float32,
            ["mse_loss"] = OperatorPrecision.Float32,
            ["l1_loss"] = OperatorPrecision.Float32,
            ["smooth_l1_loss"] = OperatorPrecision.Float32,
            ["binary_cross_entropy_with_logits"] = OperatorPrecision.Float32,
            ["exp"] = OperatorPrecision.Float32,
            ["log"] = OperatorPrecision.Float32,
            ["pow"] = OperatorPrecision.Float32,
            ["add"] = OperatorPrecision.WidestInput,
            ["multiply"] = OperatorPrecision.WidestInput,
            ["divide"] = OperatorPrecision.WidestInput,
            ["sqrt"] = OperatorPrecision.WidestInput,
            ["abs"] = OperatorPrecision.WidestInput,
            ["clamp"] = OperatorPrecision.WidestInput,
            ["max"] = OperatorPrecision.WidestInput,
            ["concat"] = OperatorPrecision.WidestInput,
            ["batch_norm"] = OperatorPrecision.WidestInput,
            ["embedding"] = OperatorPrecision.WidestInput,
            ["relu"] = OperatorPrecision.WidestInput,
            ["gelu"] = OperatorPrecision.WidestInput,
            ["silu"] = OperatorPrecision.WidestInput,
            ["sigmoid"] = OperatorPrecision.WidestInput,
            ["tanh"] = OperatorPrecision.WidestInput,
            ["dropout"] = OperatorPrecision.WidestInput,
            ["max_pool2d"] = OperatorPrecision.WidestInput,
            ["avg_pool2d"] = OperatorPrecision.WidestInput,
        }.ToFrozenDictionary();

    /// <summary>Losses: float32 under every policy.</summary>
    internal static FrozenSet<string> Losses { get; } =
        FrozenSet.ToFrozenSet([
            "cross_entropy",
            "mse_loss",
            "l1_loss",
            "smooth_l1_loss",
            "binary_cross_entropy_with_logits",
        ]);

    /// <summary>Normalizations: float32 under O2.</summary>
    internal static FrozenSet<string> Norms { get; } = FrozenSet.ToFrozenSet(["layer_norm", "rms_norm", "batch_norm"]);
}
