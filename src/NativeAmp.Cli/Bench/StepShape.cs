namespace NativeAmp.Cli.Bench;

/// <summary>The number and layout of the parameters of a measured step.</summary>
/// <param name="DType">Type of gradients and copies; float32 has no copy of its parameters.</param>
/// <param name="Count">Total number of parameters.</param>
/// <param name="Tensors">Number of tensors that they are cut into; all but the last have one size.</param>
/// <param name="Shift">Offset of every tensor from the allocator's memory, in elements.</param>
/// <param name="State">Format of Adam's moments.</param>
/// <param name="Masters">How float32 masters of bfloat16 parameters are kept; null for float32 parameters.</param>
public sealed record StepShape(
    DType DType,
    long Count,
    int Tensors = 1,
    int Shift = 0,
    StateFormat State = StateFormat.Float32,
    MasterFormat? Masters = null
)
{
    /// <summary>Types that a step is measured with.</summary>
    public static IReadOnlyList<DType> Types { get; } = [DType.Float16, DType.BFloat16, DType.Float32];

    /// <summary>Type of the elements of a column of <see cref="StepTensors"/>.</summary>
    public DType TypeOf(int column) =>
        column switch
        {
            StepTensors.Gradient or StepTensors.Copy or StepTensors.LossGradient => DType,
            StepTensors.FirstMoment => State.DTypeOf(signed: true),
            StepTensors.SecondMoment => State.DTypeOf(signed: false),
            StepTensors.Parameter when Masters is not null => DType.BFloat16,
            StepTensors.Remainder => DType.Int16,
            _ => DType.Float32,
        };

    /// <summary>Whether a step writes compute copies: half-precision parameters are their own.</summary>
    public bool HasCopies => DType.IsHalfPrecision() && Masters is null;

    /// <summary>Elements of each tensor.</summary>
    public long[] Counts()
    {
        long each = Count / Tensors;
        return [.. Enumerable.Range(0, Tensors).Select(t => t < Tensors - 1 ? each : Count - each * (Tensors - 1))];
    }
}
