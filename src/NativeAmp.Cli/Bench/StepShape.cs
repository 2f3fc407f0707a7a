namespace NativeAmp.Cli.Bench;

/// <summary>The parameters that a step is measured over.</summary>
/// <param name="DType">Type of gradients and copies; float32 has no copy of its parameters.</param>
/// <param name="Count">Parameters in all.</param>
/// <param name="Tensors">Tensors that they are cut in, of one size but for the last.</param>
/// <param name="Shift">Elements that every tensor begins past where the allocator's memory does.</param>
public sealed record StepShape(DType DType, long Count, int Tensors = 1, int Shift = 0)
{
    /// <summary>Types that a step is measured with.</summary>
    public static IReadOnlyList<DType> Types { get; } = [DType.Float16, DType.BFloat16, DType.Float32];

    /// <summary>Type of the elements of a column of <see cref="StepTensors"/>.</summary>
    public DType TypeOf(int column) =>
        column is StepTensors.Gradient or StepTensors.Copy or StepTensors.LossGradient ? DType : DType.Float32;

    /// <summary>Elements of each tensor.</summary>
    public long[] Counts()
    {
        long each = Count / Tensors;
        return [.. Enumerable.Range(0, Tensors).Select(t => t < Tensors - 1 ? each : Count - each * (Tensors - 1))];
    }
}
