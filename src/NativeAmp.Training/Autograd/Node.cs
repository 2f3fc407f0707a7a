namespace NativeAmp.Training;

/// <summary>
/// One operator's entry on the tape: it saved what its backward pass needs, and knows the tensors to which gradients flow. Every
/// operator has one output; the gradient with respect to it has arrived in the output's <see cref="GradientBuffer"/> when
/// <see cref="Backward"/> is called.
/// </summary>
internal abstract class Node(Tensor output)
{
    /// <summary>What the operator computed.</summary>
    public Tensor Output { get; } = output;

    /// <summary>The gradient with respect to the output, in the output's dtype.</summary>
    protected Storage OutputGradient => Output.GradientBuffer.Storage;

    protected Device Device => Output.Device;

    /// <summary>Adds the gradients with respect to the inputs to their buffers.</summary>
    public abstract void Backward();

    /// <summary>Lets go of everything that was saved.</summary>
    public abstract void Release();
}

/// <summary>Elements that a node needs later, kept alive whoever else lets go of them. The default is none.</summary>
internal readonly unsafe struct Saved
{
    private readonly Storage? _storage;

    public Saved(Tensor tensor)
        : this(tensor.Storage, tensor.DType)
    {
    }

    public Saved(Storage storage, DType dtype)
    {
        _storage = storage.Share();
        DType = dtype;
    }

    private Saved(DType dtype, Storage storage)
    {
        _storage = storage;
        DType = dtype;
    }

    public DType DType { get; }

    public void* Pointer => _storage is null ? null : _storage.Pointer;

    /// <summary>Memory that the node alone holds from now on.</summary>
    public static Saved TakeOver(Storage storage, DType dtype) => new(dtype, storage);

    public void Drop() => _storage?.Drop();
}
