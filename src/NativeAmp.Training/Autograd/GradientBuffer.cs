namespace NativeAmp.Training;

/// <summary>Where an operator writes a gradient, and whether what is there already is to be added to.</summary>
internal readonly unsafe struct GradientTarget(Storage storage, DType dtype, bool accumulate)
{
    public DType DType { get; } = dtype;

    public bool Accumulate { get; } = accumulate;

    public void* Pointer => storage.Pointer;
}

/// <summary>
/// Collects the gradient of one tensor. An operator's output has it in the output's dtype, until its node has run. A leaf (a
/// parameter) keeps its memory from step to step, and has the dtype in which its operators compute: float16 where a linear layer
/// used a half copy, float32 where an embedding read the weights; where several dtypes meet, as in a tied embedding, float32.
/// </summary>
internal sealed class GradientBuffer(Tensor owner)
{
    private Storage? _storage;
    private DType _dtype;
    private DType? _expected;
    private bool _isExpecting;

    /// <summary>Whether a gradient has arrived since the buffer was cleared.</summary>
    public bool HasValue { get; private set; }

    public Storage Storage => _storage ?? throw new InvalidOperationException($"{owner.Describe()} has no gradient.");

    public DType DType => _dtype;

    private bool IsLeaf => owner.Producer is null;

    /// <summary>Announces, in the forward pass, that a gradient of this dtype will come to this leaf.</summary>
    public void Expect(DType dtype)
    {
        _expected = _expected is null || _expected == dtype ? dtype : DType.Float32;
        if (_isExpecting)
            return;
        _isExpecting = true;
        Tape.Current.Expect(this);
    }

    public void ForgetExpectations()
    {
        _expected = null;
        _isExpecting = false;
    }

    /// <summary>Memory to write the gradient to, in the owner's dtype or, for a leaf, the one that its operators agreed on.</summary>
    public unsafe GradientTarget Open(DType preferred)
    {
        DType dtype = IsLeaf ? _expected ?? preferred : owner.DType;
        if (!HasValue)
        {
            if (_storage is null || _dtype != dtype)
                Replace(Allocate(dtype), dtype);
            HasValue = true;
            return new GradientTarget(Storage, dtype, accumulate: false);
        }

        if (_dtype != dtype && _dtype != DType.Float32)
            Convert(DType.Float32);
        else if (!Storage.IsUnshared)
            Convert(_dtype);
        return new GradientTarget(Storage, _dtype, accumulate: true);
    }

    /// <summary>
    /// Takes over a gradient that is already there in memory (one reference to it): as it is where that is possible, else by adding it.
    /// </summary>
    public unsafe void Accept(Storage gradient, DType dtype)
    {
        if (!HasValue && !IsLeaf && dtype == owner.DType)
        {
            Replace(gradient, dtype);
            HasValue = true;
            return;
        }

        GradientTarget target = Open(dtype);
        Kernels.Accumulate(owner.Device, target, gradient.Pointer, dtype, owner.Count);
        gradient.Drop();
    }

    /// <summary>Marks the buffer as empty. A leaf's memory stays for the next gradient.</summary>
    public void Clear()
    {
        HasValue = false;
        if (!IsLeaf)
            Release();
    }

    /// <summary>Gives the memory back.</summary>
    public void Release()
    {
        HasValue = false;
        _storage?.Drop();
        _storage = null;
    }

    /// <summary>The gradient as a tensor, valid as long as the memory is.</summary>
    public Tensor View()
    {
        var view = new Tensor(owner.Device, owner.Shape, _dtype, Storage.Share());
        TensorScope.Adopt(view);
        return view;
    }

    private unsafe void Convert(DType dtype)
    {
        Storage converted = Allocate(dtype);
        Kernels.Cast(owner.Device, converted.Pointer, dtype, Storage.Pointer, _dtype, owner.Count);
        Replace(converted, dtype);
    }

    private void Replace(Storage storage, DType dtype)
    {
        _storage?.Drop();
        _storage = storage;
        _dtype = dtype;
    }

    private Storage Allocate(DType dtype) => Storage.Allocate(owner.Device, dtype, owner.Count, MemoryKind.Gradients);
}
