namespace NativeAmp;

/// <summary>
/// A parameter as an optimizer sees it: a name, a shape and device memory. Tensors and graphs do not matter here.
/// </summary>
public interface IParameter
{
    /// <summary>
    /// A name such as <c>0.weight</c>, which appears in messages and checkpoints. An optimizer of several models tells
    /// equal names apart.
    /// </summary>
    string Name { get; }

    /// <summary>The sizes of its dimensions, outermost first; none for a scalar.</summary>
    ReadOnlySpan<long> Shape { get; }

    /// <summary>Number of elements: the product of the dimensions.</summary>
    long Count { get; }

    /// <summary>The device that all pointers belong to.</summary>
    Device Device { get; }

    /// <summary>
    /// Device pointer to the values. It does not change while an optimizer holds the parameter.
    /// </summary>
    nint Data { get; }

    /// <summary>
    /// Type of the values: float32; or bfloat16 or float16, which have float32 masters or none as
    /// <see cref="OptimizerOptions.MasterFormat"/> says, and are what the model computes with.
    /// </summary>
    DType DType => DType.Float32;

    /// <summary>
    /// The gradient; the default value while there is none. It is float32, float16 or bfloat16; or FP8, as of gradients
    /// that came compressed over a network, whose values are multiplied by <see cref="TensorCell.ScalePointer"/>'s.
    /// </summary>
    TensorCell Gradient { get; }

    /// <summary>
    /// The float16 or bfloat16 copy of the values, which the optimizer's step writes; the default value while there is
    /// none.
    /// </summary>
    TensorCell ComputeCopy { get; }

    /// <summary>
    /// Whether optimizers keep their state of it in float32, whatever <see cref="OptimizerOptions.StateFormat"/> says:
    /// embeddings, whose rows get gradients seldom and of very different size, do so.
    /// </summary>
    bool KeepsFloat32State => false;

    /// <summary>Drops the gradient, so that the next backward pass begins a new one.</summary>
    void ClearGradient();
}
