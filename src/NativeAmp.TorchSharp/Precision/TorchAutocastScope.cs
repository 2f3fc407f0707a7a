using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// The scope of <see cref="amp.autocast(DeviceType, torch.ScalarType?, bool, bool)"/>. Disposing it restores the
/// thread's state from before.
/// </summary>
public ref struct TorchAutocastScope : IDisposable
{
    private readonly DeviceType _device;
    private readonly torch.ScalarType _type;
    private readonly bool _wasEnabled;
    private readonly bool _cached;
    private bool _open;

    internal TorchAutocastScope(DeviceType device, torch.ScalarType? type, bool enabled, bool cacheEnabled)
    {
        LibTorchAutocast libtorch = LibTorchAutocast.Instance;
        _device = device;
        _wasEnabled = libtorch.IsEnabled(device);
        _type = libtorch.TypeOf(device);
        _cached = libtorch.IsCacheEnabled;
        _open = true;
        libtorch.SetEnabled(device, enabled);
        libtorch.SetType(device, type ?? _type);
        libtorch.IsCacheEnabled = cacheEnabled;
        libtorch.Enter();
    }

    /// <summary>Leaves the scope. A second call does nothing.</summary>
    public void Dispose()
    {
        if (!_open)
            return;
        _open = false;
        LibTorchAutocast libtorch = LibTorchAutocast.Instance;
        libtorch.Leave();
        libtorch.SetEnabled(_device, _wasEnabled);
        libtorch.SetType(_device, _type);
        libtorch.IsCacheEnabled = _cached;
    }
}
