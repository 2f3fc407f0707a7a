using System.Diagnostics.CodeAnalysis;

namespace NativeAmp.Training;

/// <summary>Where an operator writes a gradient, and whether what is there already is to be added to.</summary>
internal readonly unsafe struct GradientTarget(Storage storage, DType dtype, bool accumulate)
{
    public DType DType { get; } = dtype;

    public bool Accumulate { get; } = accumulate;

    public void* Pointer => storage.Pointer;
}

/// <summary>
/// Collects the gradient of one tensor. An operator's output has it in the output's dtype, until its node has run. A
/// leaf (a parameter) keeps its memory from step to step. It has the dtype in which its operator computes (float16
/// where a linear layer used a compute copy) as long as one operator in one backward pass gives it all there is; what
/// is added up, within a pass or over several, is added up in float32, as torch.amp does it.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The view shares memory that Release gives back.")]
internal sealed class GradientBuffer(Tensor owner)
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

    /// <summary>Whether it began after optimizers last unscaled or stepped with what was there before.</summary>
    public bool IsNew => _begunAt == OptimizerMarks;

    public Storage Storage => _storage ?? throw new InvalidOperationException($"{owner.Describe()} has no gradient.");

    public DType DType => _dtype;

    private bool IsLeaf => owner.Producer is null;

    private long OptimizerMarks => (owner as Parameter)?.Optimizers.Marks ?? 0;

    /// <summary>
    /// Announces to a leaf one of the gradients that a backward pass will bring, before the first arrives.
    /// </summary>
    /// <param name="pass">The pass.</param>
    /// <param name="dtype">What the operator computes the gradient in.</param>
    public void Plan(long pass, DType dtype)
    {
        _planned = HasValue || _plannedBy == pass ? DType.Float32 : dtype;
        _plannedBy = pass;
    }

    /// <summary>Memory to write the gradient to, in the owner's dtype or, for a leaf, the planned one.</summary>
    public GradientTarget Open()
    {
        DType dtype = IsLeaf ? _planned : owner.DType;
        if (!HasValue)
        {
            if (_storage is null || _dtype != dtype)
                Replace(Allocate(dtype), dtype);
            HasValue = true;
            _begunAt = OptimizerMarks;
            return new GradientTarget(Storage, dtype, accumulate: false);
        }

        // A GAN's second loss adds to what its critic has stepped with, and nobody minds: it is cleared before it is
        // used.
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
    /// Takes over a gradient that is already there in memory (one reference to it): as it is where that is possible,
    /// else by adding it.
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

    /// <summary>Says that a backward pass failed after it had begun to add to this leaf.</summary>
    public void Fail(long pass)
    {
        if (_plannedBy == pass && HasValue)
            _failure = "a backward pass failed before it had added all of it. Call ZeroGrad";
    }

    /// <summary>An error where the gradient is not to be used.</summary>
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

    /// <summary>The gradient as a tensor, valid as long as the memory is.</summary>
    public Tensor View()
    {
        if (_view is not { IsAlive: true })
            _view = new Tensor(owner.Device, owner.Shape, _dtype, Storage.Share()) { IsCallers = false };
        return _view;
    }

    /// <summary>The gradient's memory, which the caller owns from now on; the buffer is empty.</summary>
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

    // A view that its user keeps takes the memory along, or the next gradient would be written into it.
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

    private Storage Allocate(DType dtype) => Storage.Allocate(owner.Device, dtype, owner.Count, MemoryKind.Gradients);
}
