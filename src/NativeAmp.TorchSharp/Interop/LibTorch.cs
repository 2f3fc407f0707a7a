using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// The functions of libtorch that TorchSharp does not show: the pointer of a tensor on any device, and its version,
/// which counts writes. They are found by name in the libraries that TorchSharp has loaded.
/// </summary>
/// <remarks>
/// The pointer is an export of TorchSharp's own native library, for which it promises nothing, so it is compared once
/// with the pointer that TorchSharp shows for the CPU. The others are libtorch's C++ interface, by their mangled names.
/// </remarks>
internal sealed unsafe class LibTorch
{
    private static readonly Lazy<LibTorch> s_instance = new(() => new LibTorch());

    private readonly delegate* unmanaged<nint, nint> _data;
    private readonly delegate* unmanaged<nint, nint> _versionCounter;
    private readonly delegate* unmanaged<nint, long> _version;
    private readonly delegate* unmanaged<nint, void> _bumpVersion;

    private LibTorch()
    {
        _data = (delegate* unmanaged<nint, nint>)TorchExports.OfTorchSharp("THSTensor_data");
        _versionCounter = (delegate* unmanaged<nint, nint>)
            TorchExports.OfLibTorch(
                "_ZN5torch8autograd4impl15version_counterERKN2at6TensorE",
                "?version_counter@impl@autograd@torch@@YAAEBUVariableVersion@c10@@AEBVTensor@at@@@Z"
            );
        _version = (delegate* unmanaged<nint, long>)
            TorchExports.OfLibTorch("_ZNK2at10TensorBase8_versionEv", "?_version@TensorBase@at@@QEBA_JXZ");
        _bumpVersion = (delegate* unmanaged<nint, void>)
            TorchExports.OfLibTorch(
                "_ZN5torch8autograd4impl12bump_versionERKN2at6TensorE",
                "?bump_version@impl@autograd@torch@@YAXAEBVTensor@at@@@Z"
            );
        using torch.Tensor probe = torch.zeros(4);
        fixed (byte* shown = probe.bytes)
        {
            if (_data(probe.Handle) != (nint)shown)
                throw TorchExports.Unfit("THSTensor_data gives another pointer than Tensor.bytes");
        }
    }

    /// <summary>The functions, found at the first use.</summary>
    /// <exception cref="NotSupportedException">The loaded libtorch or TorchSharp lacks one.</exception>
    public static LibTorch Instance => s_instance.Value;

    /// <summary>Device pointer to the first element; 0 if there are none. The tensor has a dense layout.</summary>
    public nint Data(torch.Tensor tensor)
    {
        nint pointer = _data(tensor.Handle);
        GC.KeepAlive(tensor);
        return pointer;
    }

    /// <summary>
    /// Whether libtorch counts the tensor's writes. Those made in inference mode have no count, and asking for it would
    /// be a C++ exception.
    /// </summary>
    public bool HasVersion(torch.Tensor tensor)
    {
        // A reference to a VariableVersion, which is one pointer: null where nothing counts.
        bool has = *(nint*)_versionCounter(tensor.Handle) != 0;
        GC.KeepAlive(tensor);
        return has;
    }

    /// <summary>How often libtorch has written a tensor. It must have a version.</summary>
    public long Version(torch.Tensor tensor)
    {
        long version = _version(tensor.Handle);
        GC.KeepAlive(tensor);
        return version;
    }

    /// <summary>
    /// Tells libtorch that a tensor was written, so that a backward pass that needs the old values is refused. It must
    /// have a version.
    /// </summary>
    public void MarkWritten(torch.Tensor tensor)
    {
        _bumpVersion(tensor.Handle);
        GC.KeepAlive(tensor);
    }
}
