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

    /// <summary>[rows, classes].</summary>
    public required TensorCell Logits { get; init; }

    /// <summary>
    /// [rows] of int32. A label that is neither a class nor ignored makes its row's loss and gradient NaN.
    /// </summary>
    public required nint Labels { get; init; }

    /// <summary>Number of rows.</summary>
    public required long Rows { get; init; }

    /// <summary>Number of classes, 1 or more.</summary>
    public required long Classes { get; init; }

    /// <summary>Rows with this label count for nothing.</summary>
    public int IgnoreIndex { get; init; } = DefaultIgnoreIndex;

    /// <summary>Whether the loss is the mean over counted rows, else their sum.</summary>
    public bool Mean { get; init; } = true;

    /// <summary>One float32 that receives the loss, not scaled; or 0.</summary>
    public nint Loss { get; init; }

    /// <summary>
    /// [rows, classes] that receive (softmax - onehot) times upstream times scale, rounded once; or none for the loss
    /// alone.
    /// </summary>
    public TensorCell Gradient { get; init; }

    /// <summary>The loss scale, one float32; 0 for 1.</summary>
    public nint Scale { get; init; }

    /// <summary>The gradient of the loss, one float32; 0 for 1.</summary>
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

    /// <summary>Whether the loss is the mean over elements, else their sum.</summary>
    public bool Mean { get; init; } = true;

    /// <summary>One float32 that receives the loss, not scaled; or 0.</summary>
    public nint Loss { get; init; }

    /// <summary>
    /// [count] that receive 2 (prediction - target) times upstream times scale, rounded once; or none for the loss
    /// alone.
    /// </summary>
    public TensorCell Gradient { get; init; }

    /// <summary>The loss scale, one float32; 0 for 1.</summary>
    public nint Scale { get; init; }

    /// <summary>The gradient of the loss, one float32; 0 for 1.</summary>
    public nint Upstream { get; init; }
}
