namespace NativeAmp;

/// <summary>
/// Softmax cross-entropy over rows of logits, computed in float32 whatever the types. Pointers are device pointers; 0
/// is none.
/// </summary>
public readonly record struct CrossEntropyArguments
{
    /// <summary>PyTorch's default of <see cref="IgnoreIndex"/>.</summary>
    public const int DefaultIgnoreIndex = -100;

    /// <summary>The usual arguments: the mean over rows, the default ignored label.</summary>
    public CrossEntropyArguments() { }

    /// <summary>Logits, [rows, classes].</summary>
    public required TensorCell Logits { get; init; }

    /// <summary>
    /// Labels, [rows] of int32. A label that is neither a class nor ignored makes its row's loss and gradient NaN.
    /// </summary>
    public required nint Labels { get; init; }

    /// <summary>Number of rows.</summary>
    public required long Rows { get; init; }

    /// <summary>Number of classes, 1 or more.</summary>
    public required long Classes { get; init; }

    /// <summary>Rows with this label are ignored.</summary>
    public int IgnoreIndex { get; init; } = DefaultIgnoreIndex;

    /// <summary>Whether the loss is the mean over counted rows; otherwise it is their sum.</summary>
    public bool Mean { get; init; } = true;

    /// <summary>Device pointer to one float32 that receives the unscaled loss; 0 for none.</summary>
    public nint Loss { get; init; }

    /// <summary>
    /// [rows, classes]. Receives (softmax - onehot) times upstream times scale, rounded once. Without it only the loss
    /// is computed.
    /// </summary>
    public TensorCell Gradient { get; init; }

    /// <summary>Device pointer to the loss scale, one float32; 0 for a scale of 1.</summary>
    public nint Scale { get; init; }

    /// <summary>Device pointer to the gradient of the loss, one float32; 0 for a gradient of 1.</summary>
    public nint Upstream { get; init; }
}

/// <summary>
/// Mean squared error, computed in float32 whatever the types. Pointers are device pointers; 0 is none.
/// </summary>
public readonly record struct MeanSquaredErrorArguments
{
    /// <summary>The usual arguments: the mean over elements.</summary>
    public MeanSquaredErrorArguments() { }

    /// <summary>[count].</summary>
    public required TensorCell Prediction { get; init; }

    /// <summary>[count].</summary>
    public required TensorCell Target { get; init; }

    /// <summary>Number of elements.</summary>
    public required long Count { get; init; }

    /// <summary>Whether the loss is the mean over elements; otherwise it is their sum.</summary>
    public bool Mean { get; init; } = true;

    /// <summary>Device pointer to one float32 that receives the unscaled loss; 0 for none.</summary>
    public nint Loss { get; init; }

    /// <summary>
    /// [count]. Receives 2 (prediction - target) times upstream times scale, rounded once. Without it only the loss is
    /// computed.
    /// </summary>
    public TensorCell Gradient { get; init; }

    /// <summary>Device pointer to the loss scale, one float32; 0 for a scale of 1.</summary>
    public nint Scale { get; init; }

    /// <summary>Device pointer to the gradient of the loss, one float32; 0 for a gradient of 1.</summary>
    public nint Upstream { get; init; }
}
