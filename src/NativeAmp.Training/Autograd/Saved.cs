namespace NativeAmp.Training;

/// <summary>
/// Elements that a node needs later, kept alive until then, and their version: a tensor that was written since would
/// give a wrong gradient. The default value holds nothing.
/// </summary>
internal readonly unsafe struct Saved
{
    private readonly Storage? _storage;
    private readonly Tensor? _of;
    private readonly long _version;

    /// <summary>Saves a tensor's elements.</summary>
    public Saved(Tensor tensor)
        : this(tensor, tensor.Storage, tensor.DType) { }

    /// <summary>Saves a tensor's elements, or nothing without a tensor.</summary>
    public static Saved OrNone(Tensor? tensor) => tensor is null ? default : new Saved(tensor);

    /// <summary>
    /// Saves elements that stand for a tensor: its own, or a parameter's compute copy, which is written together with
    /// the parameter.
    /// </summary>
    public Saved(Tensor tensor, Storage storage, DType dtype)
    {
        _storage = storage.Share();
        _of = tensor;
        _version = VersionNow;
        DType = dtype;
    }

    private Saved(DType dtype, Storage storage)
    {
        _storage = storage;
        DType = dtype;
    }

    public DType DType { get; }

    public void* Pointer => _storage is null ? null : _storage.Pointer;

    private long VersionNow => _of is Parameter parameter ? parameter.Version() : _storage!.Version;

    /// <summary>Takes over memory that only the node holds from now on, so that nothing else can write it.</summary>
    public static Saved TakeOver(Storage storage, DType dtype) => new(dtype, storage);

    /// <summary>The tensor, if it was written since it was saved; else null.</summary>
    public Tensor? WrittenSince() => _of is not null && VersionNow != _version ? _of : null;

    /// <summary>The elements as a tensor of the innermost scope, over the same memory.</summary>
    public Tensor View(Device device, Shape shape) => Tensor.Result(device, DType, shape, _storage!.Share());

    public void Drop() => _storage?.Drop();
}
