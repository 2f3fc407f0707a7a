using System.IO.Hashing;
using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>
/// A parameter of TorchSharp as NativeAmp's optimizers see it. A float32 parameter is updated in its own memory. A
/// half-precision one has a float32 master beside it: the step updates that, and rounds it into the parameter's memory.
/// </summary>
internal sealed class TorchParameter : IParameter, IDisposable
{
    private readonly LibTorch _libtorch = LibTorch.Instance;
    private readonly TorchPlace _place;
    private readonly DType _dtype;
    private readonly nint _pointer;
    private long _version;
    private ulong _contents;
    private bool _hadGradient;

    /// <exception cref="ArgumentException">Such a tensor cannot be trained; the message says why.</exception>
    /// <exception cref="NotSupportedException">Its device is none of NativeAmp's.</exception>
    public TorchParameter(string name, Parameter parameter)
    {
        Name = name;
        Tensor = parameter;
        if (parameter.IsInvalid)
            throw new ArgumentException($"The parameter '{name}' was disposed.");
        if (parameter.dtype.ToNativeAmp() is not { } dtype)
            throw new ArgumentException(
                $"The parameter '{name}' is {parameter.dtype}. Fused optimizers train {TorchTypes.Trainable}: convert "
                    + "the model with to(...) before its optimizer is made."
            );
        if (parameter.is_sparse)
            throw new ArgumentException($"The parameter '{name}' is sparse; fused optimizers train dense ones.");
        if (!parameter.is_leaf)
            throw new ArgumentException(
                $"The parameter '{name}' is the result of an operation, so it gets no gradient of its own: give the "
                    + "optimizer the tensor that it was computed from, or detach it."
            );
        if (!_libtorch.HasVersion(parameter))
            throw new ArgumentException(
                $"The parameter '{name}' was made in inference mode, where nothing can be trained: clone it outside."
            );
        Layout = new TensorLayout(parameter);
        if (!Layout.IsDense)
            throw new ArgumentException(
                $"The elements of the parameter '{name}' lie in memory with gaps or on each other, as those of a view "
                    + "may. Train contiguous(), or the tensor that it is a view of."
            );
        _place = TorchPlace.Of(parameter, name);
        _dtype = dtype;
        _pointer = _libtorch.Data(parameter);
        _version = _libtorch.Version(parameter);
        if (dtype != DType.Float32)
        {
            using var _ = torch.no_grad();
            Master = parameter.to_type(torch.ScalarType.Float32).DetachFromDisposeScope();
            _contents = Contents();
        }
    }

    public string Name { get; }

    /// <summary>TorchSharp's tensor.</summary>
    public Parameter Tensor { get; }

    /// <summary>The float32 values of a half-precision parameter; null of a float32 one.</summary>
    public torch.Tensor? Master { get; }

    /// <summary>Its shape, and the order of its elements in memory.</summary>
    public TensorLayout Layout { get; }

    public ReadOnlySpan<long> Shape => Layout.Shape;

    public long Count => Layout.Count;

    public Device Device => _place.Device;

    /// <summary>The stream that libtorch uses the tensor on.</summary>
    public TorchPlace Place => _place;

    /// <summary>The bytes of the tensor's memory: the first, and the one after the last.</summary>
    public (nint Begin, nint End) Memory => (_pointer, _pointer + (nint)(Count * _dtype.SizeInBytes()));

    /// <summary>Whether a dropped gradient is set to zero, as TorchSharp does, or to none.</summary>
    public bool ZeroesGradient { get; set; }

    public nint Data => Master is null ? _pointer : _libtorch.Data(Master);

    public TensorCell ComputeCopy => Master is null ? default : new TensorCell(_pointer, _dtype);

    public TensorCell Gradient
    {
        get
        {
            EnsureInPlace();
            using torch.Tensor? gradient = Tensor.grad;
            _hadGradient = gradient is not null;
            return gradient is null ? default : CellOf(gradient);
        }
    }

    public void ClearGradient()
    {
        if (Tensor.IsInvalid)
            return;
        if (!ZeroesGradient)
        {
            Tensor.grad = null;
            return;
        }
        using torch.Tensor? gradient = Tensor.grad;
        gradient?.zero_();
    }

    /// <summary>
    /// Makes the master follow the parameter, if others have written that since the last step. Where the parameter is
    /// still the rounded master, the master keeps its precision.
    /// </summary>
    public void FollowOthers()
    {
        if (Master is null || Tensor.IsInvalid)
            return;
        EnsureInPlace();
        if (_libtorch.Version(Tensor) == _version && Contents() == _contents)
            return;
        using var _ = torch.no_grad();
        using (torch.NewDisposeScope())
        {
            torch.Tensor isRounded = Master.to_type(Tensor.dtype).eq(Tensor);
            Master.copy_(torch.where(isRounded, Master, Tensor.to_type(torch.ScalarType.Float32)));
        }
        (_version, _contents) = (_libtorch.Version(Tensor), Contents());
    }

    /// <summary>Sets the master. Elements that do not round to the parameter are replaced later.</summary>
    public void SetMaster(torch.Tensor values)
    {
        using var _ = torch.no_grad();
        Master!.copy_(values);
        _version = -1;
    }

    /// <summary>Tells libtorch that a step wrote the parameter, if it had a gradient.</summary>
    public void MarkStepped()
    {
        if (!_hadGradient)
            return;
        _libtorch.MarkWritten(Tensor);
        if (Master is not null)
            (_version, _contents) = (_libtorch.Version(Tensor), Contents());
    }

    public void Dispose() => Master?.Dispose();

    // TorchSharp's module.load writes the CPU's tensors behind libtorch's back, so that their version stays. What it
    // loads to a GPU goes through libtorch.
    private unsafe ulong Contents()
    {
        if (!Device.IsHostMemory)
            return 0;
        const int MostAtOnce = 1 << 30;
        var hash = new XxHash3();
        for (nint at = Memory.Begin; at < Memory.End; at += MostAtOnce)
            hash.Append(new ReadOnlySpan<byte>((void*)at, (int)Math.Min(MostAtOnce, Memory.End - at)));
        return hash.GetCurrentHashAsUInt64();
    }

    private void EnsureInPlace()
    {
        const string Replaced =
            ", as module.to(...) does to parameters that it replaces. The optimizer still holds the old one: make "
            + "the optimizer after the model is where, and in the type in which, it will train.";
        if (Tensor.IsInvalid)
            throw new ObjectDisposedException(nameof(Parameter), $"The parameter '{Name}' was disposed{Replaced}");
        if (Tensor.dtype.ToNativeAmp() != _dtype || _libtorch.Data(Tensor) != _pointer)
            throw new InvalidOperationException($"The memory of the parameter '{Name}' was exchanged{Replaced}");
    }

    private TensorCell CellOf(torch.Tensor gradient)
    {
        if (gradient.is_sparse)
            throw Unusable("is sparse. Make the layer that it comes from without sparse gradients (sparse: false)");
        if (gradient.dtype.ToNativeAmp() is not { } dtype)
            throw Unusable($"is {gradient.dtype}; it may be {TorchTypes.Trainable}");
        if (gradient.device_type != Tensor.device_type || gradient.device_index != Tensor.device_index)
            throw Unusable($"is on {gradient.device}, the parameter on {Tensor.device}. Move it there");
        if (!Layout.Fits(gradient))
            throw Unusable(
                $"has the shape [{string.Join(", ", gradient.shape)}] and the strides "
                    + $"[{string.Join(", ", gradient.stride())}], which are not the parameter's. Give it a gradient of "
                    + "its own shape and layout: torch.empty_like(parameter).copy_(gradient)"
            );
        return Count == 0 ? default : new TensorCell(_libtorch.Data(gradient), dtype);
    }

    private InvalidOperationException Unusable(string problem) =>
        new($"The gradient of the parameter '{Name}' {problem}.");
}
