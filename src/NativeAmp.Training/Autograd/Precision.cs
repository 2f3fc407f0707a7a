namespace NativeAmp.Training;

/// <summary>
/// The dtype in which an operator computes. The active <see cref="Autocast"/> policy decides it, not the operator's
/// code. The names are those of <see cref="OperatorLists"/>.
/// </summary>
internal static class Precision
{
    /// <summary>The dtype of an operator over these inputs.</summary>
    public static DType Of(string operation, Tensor a, Tensor? b = null, Tensor? c = null) =>
        Autocast.TypeOf(operation, Wider(Wider(a.DType, b), c));

    /// <summary>
    /// The input in the dtype of an operator that reads and writes one dtype; the cast, if any, is in the graph.
    /// </summary>
    public static Tensor Prepare(string operation, Tensor input) => Ops.Cast(input, Of(operation, input));

    /// <summary>
    /// Whether an activation after an operator of this dtype has the same dtype, so that one pass can compute both.
    /// </summary>
    public static bool Keeps(Activation activation, DType dtype) =>
        activation == Activation.None || Autocast.TypeOf(NameOf(activation), dtype) == dtype;

    public static string NameOf(Activation activation) =>
        activation switch
        {
            Activation.Relu => "relu",
            Activation.Gelu or Activation.GeluTanh => "gelu",
            Activation.Silu => "silu",
            Activation.Sigmoid => "sigmoid",
            Activation.Tanh => "tanh",
            _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "Not an activation."),
        };

    // Neither float16 nor bfloat16 holds all values of the other.
    private static DType Wider(DType dtype, Tensor? other) =>
        other is null || other.DType == dtype ? dtype : DType.Float32;
}
