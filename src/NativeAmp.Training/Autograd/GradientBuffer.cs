using System.Diagnostics.CodeAnalysis;

namespace NativeAmp.Training;

/// <summary>The memory that an operator writes a gradient to, and whether to add to its contents.</summary>
internal readonly unsafe struct GradientTarget(Storage storage, DType dtype, bool accumulate)
{
    public DType DType { get; } = dtype;

    public bool Accumulate { get; } = accumulate;

    public void* Pointer => storage.Pointer;

    /// <summary>Number of elements that there is room for.</summary>
    public long Capacity => storage.Capacity;
}

/// <summary>
/// Collects the gradient of one tensor. An operator's output has it in the output's dtype, until its node has run. A
/// leaf (a parameter) keeps the memory from step to step. If one operator in one backward pass gives the whole
/// gradient, a leaf has it in the dtype of that operator (float16 if a linear layer used a compute copy). Sums, within
/// a pass or over several, are in float32, as in torch.amp.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The view shares memory that Release gives back.")]
internal sealed partial class GradientBuffer(Tensor owner)
{
    private Storage? _storage;
    private DType _dtype;
    private DType _planned;
    private long _plannedBy;
    private long _begunAt;
    private string? _failure;
    private Tensor? _view;

    /// <summary>Whether a gradient has arrived since the buffer was cleared.</summary>
    public bool HasValue { get; private set; }

    /// <summary>Whether the gradient began after optimizers last unscaled or used the previous one.</summary>
    public bool IsNew => _begunAt == OptimizerMarks;

    public Storage Storage => _storage ?? throw new InvalidOperationException($"{owner.Describe()} has no gradient.");

    public DType DType => _dtype;

    private bool IsLeaf => owner.Producer is null;

    private long OptimizerMarks => (owner as Parameter)?.Optimizers.Marks ?? 0;

    /// <summary>Tells a leaf of one of the gradients of a backward pass, before the first arrives.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="dtype">The dtype in which the operator computes the gradient.</param>
    public void Plan(long pass, DType dtype)
    {
        _planned = HasValue || _plannedBy == pass ? DType.Float32 : dtype;
        _plannedBy = pass;
    }

    /// <summary>Memory to write the gradient to, in the owner's dtype or, for a leaf, the planned one.</summary>
    public GradientTarget Open()
    {
        if (IsLeaf)
            JoinGraph(begins: true);
        DType dtype = IsLeaf ? _planned : owner.DType;
        if (!HasValue)
        {
            if (_storage is null || _dtype != dtype)
                Replace(Allocate(dtype), dtype);
            HasValue = true;
            _begunAt = OptimizerMarks;
            return new GradientTarget(Storage, dtype, accumulate: false);
        }

        // A GAN's second loss adds to gradients that its critic has used already. That is allowed: they are cleared
        // before they are used again.
        if (OptimizerMarks != _begunAt)
            _failure ??=
                "a gradient was added to one that had been unscaled or stepped with through a GradScaler. Call "
                + "ZeroGrad after each step";
        if (_dtype != dtype)
            Convert(dtype);
        else if (!IsLeaf && !Storage.IsUnshared)
            Convert(_dtype);
        return new GradientTarget(Storage, _dtype, accumulate: true);
    }

    /// <summary>
    /// Takes over a gradient that is in memory already, with one reference to it. It becomes the gradient if possible;
    /// otherwise it is added.
    /// </summary>
    public unsafe void Accept(Storage gradient, DType dtype)
    {
        if (!HasValue && !IsLeaf && dtype == owner.DType)
        {
            Replace(gradient, dtype);
            HasValue = true;
            return;
        }

        Kernels.Accumulate(owner.Device, Open(), gradient.Pointer, dtype, owner.Count);
        gradient.Drop();
    }

    /// <summary>
    /// Marks the gradient as incomplete: a backward pass failed after it had begun to add to this leaf.
    /// </summary>
    public void Fail(long pass)
    {
        if (_plannedBy == pass && HasValue)
            _failure = "a backward pass failed before it had added all of it. Call ZeroGrad";
    }

    /// <summary>Throws if the gradient must not be used.</summary>
    public void EnsureUsable()
    {
        if (_failure is not null)
            throw new InvalidOperationException($"The gradient of the {owner.Describe()} cannot be used: {_failure}.");
    }

    /// <summary>Makes the gradient float32, if there is one.</summary>
    public void Widen()
    {
        if (HasValue && _dtype != DType.Float32)
            Convert(DType.Float32);
    }

    /// <summary>Marks the buffer as empty. A leaf's memory stays for the next gradient.</summary>
    public void Clear()
    {
        if (IsLeaf)
            JoinGraph(begins: false);
        HasValue = false;
        _failure = null;
        if (IsLeaf)
            EndView("its tensor's gradient was cleared");
        else
            Release();
    }

    /// <summary>Gives the memory back.</summary>
    public void Release()
    {
        HasValue = false;
        _failure = null;
        EndView("its tensor's gradient was given back");
        _storage?.Drop();
        _storage = null;
    }

    /// <summary>The gradient as a tensor, valid as long as its memory.</summary>
    public Tensor View()
    {
        if (_view is not { IsAlive: true })
            _view = new Tensor(owner.Device, owner.Shape, _dtype, Storage.Share()) { IsCallers = false };
        return _view;
    }

    /// <summary>Gives the gradient's memory to the caller; the buffer is empty then.</summary>
    public (Storage Storage, DType DType) Take()
    {
        (Storage storage, DType dtype) = (Storage.Share(), _dtype);
        Release();
        return (storage, dtype);
    }

    private unsafe void Convert(DType dtype)
    {
        Storage converted = Allocate(dtype);
        Kernels.Cast(owner.Device, converted.Pointer, dtype, Storage.Pointer, _dtype, owner.Count);
        Replace(converted, dtype);
    }

    private void Replace(Storage storage, DType dtype)
    {
        EndView("its tensor's gradient is float32 now, as more was added to it; ask for Gradient again");
        _storage?.Drop();
        _storage = storage;
        _dtype = dtype;
    }

    // A view that the user keeps takes the memory with it, or the next gradient would be written into the view.
    private void EndView(string reason)
    {
        if (_view is { IsAlive: true, IsCallers: true })
        {
            _storage?.Drop();
            _storage = null;
        }
        else
        {
            _view?.Release(reason);
        }

        _view = null;
    }

    private Storage Allocate(DType dtype)
    {
        long capacity = (owner as Parameter)?.Capacity ?? owner.Count;
        return Storage.Allocate(owner.Device, dtype, owner.Count, capacity, MemoryKind.Gradients);
    }
}
