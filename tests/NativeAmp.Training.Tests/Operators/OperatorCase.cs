namespace NativeAmp.Training.Tests.Operators;

/// <summary>One way to call an operator, loss or module: its inputs, and the call.</summary>
/// <param name="Name">Name of the public method or module, a space, and the special case.</param>
/// <param name="Floats">Shapes of the floating-point inputs.</param>
/// <param name="Integers">Shape and bound of the int32 input, if there is one.</param>
/// <param name="Module">Makes the module, if it is one.</param>
/// <param name="Apply">The call.</param>
internal sealed record OperatorCase(
    string Name,
    Shape[] Floats,
    (Shape Shape, int Bound)? Integers,
    Func<RandomGenerator, Module>? Module,
    Func<OperatorInputs, Tensor> Apply
)
{
    public override string ToString() => Name;
}

/// <summary>The inputs of one call. All that can have a gradient require one.</summary>
internal sealed class OperatorInputs : IDisposable
{
    public OperatorInputs(OperatorCase operation, Device device, ulong seed = 3, float size = 1)
    {
        var random = new RandomGenerator(seed);
        Floats = [.. operation.Floats.Select(shape => Leaf(device, random, shape, size))];
        if (operation.Integers is { } integers)
        {
            int[] values = new int[integers.Shape.Count];
            for (int i = 0; i < values.Length; i++)
                values[i] = (int)(random.NextUInt32() % (uint)integers.Bound);
            Integers = Tensor.From(device, values, integers.Shape);
        }

        Module = operation.Module?.Invoke(random).To(device);
        Random = random;
        RandomState = random.State;
    }

    public Tensor[] Floats { get; }

    public Tensor? Integers { get; }

    public Module? Module { get; }

    public RandomGenerator Random { get; }

    public Tensor this[int index] => Floats[index];

    /// <summary>All tensors that get a gradient.</summary>
    public IEnumerable<Tensor> Leaves => Floats.Concat(Module?.Parameters() ?? []);

    /// <summary>All tensors that can be written.</summary>
    public IEnumerable<Tensor> All =>
        Floats.Concat(Integers is null ? [] : [Integers]).Concat(Module?.State().Select(entry => entry.Values) ?? []);

    private RandomState RandomState { get; }

    /// <summary>Resets the generator, so that the next call draws the same dropout masks.</summary>
    public void Rewind() => Random.State = RandomState;

    public void Dispose()
    {
        foreach (Tensor tensor in Floats)
            tensor.Dispose();
        Integers?.Dispose();
        Module?.Dispose();
    }

    private static Tensor Leaf(Device device, RandomGenerator random, Shape shape, float size)
    {
        Tensor tensor = Tensor.From(device, Initializers.Normal(size)(shape, random), shape);
        tensor.RequiresGrad = true;
        return tensor;
    }
}
