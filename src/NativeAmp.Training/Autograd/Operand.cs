namespace NativeAmp.Training;

/// <summary>
/// An input in the dtype that the operator computes in, with the tensor to which the gradient goes. A float32 parameter
/// gives its compute copy. Any other tensor, if it does not have the dtype, is cast, and the cast is in the graph.
/// </summary>
internal readonly unsafe struct Operand
{
    private readonly Storage _storage;
    private readonly bool _isCast;
    private readonly bool _isShared;

    public Operand(Tensor tensor, DType dtype)
    {
        if (tensor is Parameter { DType: DType.Float32 } parameter)
        {
            Source = parameter;
            _storage = parameter.InDType(dtype);
            _isShared = true;
        }
        else
        {
            Source = Ops.Cast(tensor, dtype);
            _isCast = Source != tensor;
            _storage = Source.Storage;
        }

        DType = dtype;
    }

    /// <summary>The tensor to which the gradient goes.</summary>
    public Tensor Source { get; }

    public DType DType { get; }

    public void* Pointer => _storage.Pointer;

    public static Operand? OrNull(Tensor? tensor, DType dtype) => tensor is null ? null : new Operand(tensor, dtype);

    /// <summary>The elements, for a node that needs them in its backward pass.</summary>
    public Saved Save() => new(Source, _storage, DType);

    /// <summary>
    /// Ends the operator's use: releases a cast that only this operator uses. Elements that a node saved stay.
    /// </summary>
    public void Release()
    {
        if (_isShared)
            _storage.Drop();
        if (_isCast)
            Source.Release("it was the cast of an operator's input");
    }
}
