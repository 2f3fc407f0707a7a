namespace NativeAmp;

/// <summary>
/// A parameter over memory of any library: pointers, and no owner. With it <see cref="FusedOptimizer"/> and
/// <see cref="GradScaler"/> train what ManagedCuda, ILGPU or a loop of one's own keeps.
/// </summary>
/// <remarks>The memory must stay where it is as long as an optimizer holds the parameter.</remarks>
public sealed class MemoryParameter : IParameter
{
    private readonly long[] _shape;

    /// <summary>A parameter without a gradient.</summary>
    /// <param name="name">Its name in messages and in an optimizer's state.</param>
    /// <param name="device">The device that all pointers belong to.</param>
    /// <param name="data">The values: float32; or bfloat16 or float16, whose masters
    /// <see cref="OptimizerOptions.MasterFormat"/> describes.</param>
    /// <param name="shape">The sizes of its dimensions, outermost first, 0 or more; none for a scalar.</param>
    /// <exception cref="ArgumentException">The values have another type, there is no pointer to elements, or a size is
    /// negative.</exception>
    public MemoryParameter(string name, Device device, TensorCell data, params ReadOnlySpan<long> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(device);
        if (!data.DType.IsComputeType())
            throw new ArgumentException(
                $"The values of '{name}' are {Described(data.DType)}; an optimizer updates float32, bfloat16 or float16.",
                nameof(data)
            );
        Name = name;
        Device = device;
        Data = data.Pointer;
        DType = data.DType;
        _shape = shape.ToArray();
        Count = 1;
        foreach (long size in _shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            Count = checked(Count * size);
        }
        if (Count > 0 && Data == 0)
            throw new ArgumentException($"There is no pointer to the {Count} values of '{name}'.", nameof(data));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public ReadOnlySpan<long> Shape => _shape;

    /// <inheritdoc/>
    public long Count { get; }

    /// <inheritdoc/>
    public Device Device { get; }

    /// <inheritdoc/>
    public nint Data { get; }

    /// <inheritdoc/>
    public DType DType { get; }

    /// <summary>
    /// The gradient: float32, float16, bfloat16 or FP8, as many elements as the parameter has. The default value is
    /// none.
    /// </summary>
    /// <exception cref="ArgumentException">It has another type.</exception>
    public TensorCell Gradient
    {
        get;
        set => field = Checked("gradient", value, value.DType.IsGradientType(), "float32, float16, bfloat16 or FP8");
    }

    /// <summary>
    /// The float16 or bfloat16 copy of the values, which the optimizer's step writes; as many elements as the parameter
    /// has. The default value is none.
    /// </summary>
    /// <exception cref="ArgumentException">It has another type.</exception>
    public TensorCell ComputeCopy
    {
        get;
        set => field = Checked("compute copy", value, value.DType.IsHalfPrecision(), "float16 or bfloat16");
    }

    /// <summary>
    /// Sets <see cref="Gradient"/> to none. A loop that writes every gradient anew into the same memory need not call
    /// it, nor <see cref="FusedOptimizer.ZeroGrad"/>.
    /// </summary>
    public void ClearGradient() => Gradient = default;

    private TensorCell Checked(string role, TensorCell value, bool isPossible, string possible) =>
        value.Pointer == 0 || isPossible
            ? value
            : throw new ArgumentException(
                $"The {role} of '{Name}' is {Described(value.DType)}; it may be {possible}.",
                nameof(value)
            );

    // The default cell has no type.
    private static string Described(DType dtype) => dtype == DType.None ? "of no type" : dtype.Name();
}
