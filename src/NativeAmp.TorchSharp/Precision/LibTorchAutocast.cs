using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// libtorch's own autocast, which TorchSharp does not show: functions of its C++ interface that take and give single
/// numbers, found by their mangled names. All state is the calling thread's.
/// </summary>
internal sealed unsafe class LibTorchAutocast
{
    private static readonly Lazy<LibTorchAutocast> s_instance = new(() => new LibTorchAutocast());

    private readonly delegate* unmanaged<sbyte, byte> _isEnabled;
    private readonly delegate* unmanaged<sbyte, byte, void> _setEnabled;
    private readonly delegate* unmanaged<sbyte, sbyte> _getType;
    private readonly delegate* unmanaged<sbyte, sbyte, void> _setType;
    private readonly delegate* unmanaged<byte> _isCacheEnabled;
    private readonly delegate* unmanaged<byte, void> _setCacheEnabled;
    private readonly delegate* unmanaged<int> _enter;
    private readonly delegate* unmanaged<int> _leave;
    private readonly delegate* unmanaged<void> _clearCache;

    private LibTorchAutocast()
    {
        _isEnabled = (delegate* unmanaged<sbyte, byte>)Find(
            "19is_autocast_enabledEN3c1010DeviceTypeE",
            "?is_autocast_enabled@",
            "_NW4DeviceType@c10@@@Z"
        );
        _setEnabled = (delegate* unmanaged<sbyte, byte, void>)Find(
            "20set_autocast_enabledEN3c1010DeviceTypeEb",
            "?set_autocast_enabled@",
            "XW4DeviceType@c10@@_N@Z"
        );
        _getType = (delegate* unmanaged<sbyte, sbyte>)Find(
            "18get_autocast_dtypeEN3c1010DeviceTypeE",
            "?get_autocast_dtype@",
            "?AW4ScalarType@c10@@W4DeviceType@4@@Z"
        );
        _setType = (delegate* unmanaged<sbyte, sbyte, void>)Find(
            "18set_autocast_dtypeEN3c1010DeviceTypeENS1_10ScalarTypeE",
            "?set_autocast_dtype@",
            "XW4DeviceType@c10@@W4ScalarType@4@@Z"
        );
        _isCacheEnabled = (delegate* unmanaged<byte>)Find(
            "25is_autocast_cache_enabledEv",
            "?is_autocast_cache_enabled@",
            "_NXZ"
        );
        _setCacheEnabled = (delegate* unmanaged<byte, void>)Find(
            "26set_autocast_cache_enabledEb",
            "?set_autocast_cache_enabled@",
            "X_N@Z"
        );
        _enter = (delegate* unmanaged<int>)Find("17increment_nestingEv", "?increment_nesting@", "HXZ");
        _leave = (delegate* unmanaged<int>)Find("17decrement_nestingEv", "?decrement_nesting@", "HXZ");
        _clearCache = (delegate* unmanaged<void>)Find("11clear_cacheEv", "?clear_cache@", "XXZ");
    }

    /// <summary>The functions, found at the first use.</summary>
    /// <exception cref="NotSupportedException">The loaded libtorch lacks one.</exception>
    public static LibTorchAutocast Instance => s_instance.Value;

    /// <summary>Whether weights that were cast once are kept until the outermost scope is left.</summary>
    public bool IsCacheEnabled
    {
        get => _isCacheEnabled() != 0;
        set => _setCacheEnabled(value ? (byte)1 : (byte)0);
    }

    /// <summary>Whether operators on a device of this type are cast.</summary>
    public bool IsEnabled(DeviceType device) => _isEnabled((sbyte)device) != 0;

    /// <summary>Sets whether operators on a device of this type are cast.</summary>
    public void SetEnabled(DeviceType device, bool enabled) => _setEnabled((sbyte)device, enabled ? (byte)1 : (byte)0);

    /// <summary>The type that they are cast to.</summary>
    public torch.ScalarType TypeOf(DeviceType device) => (torch.ScalarType)_getType((sbyte)device);

    /// <summary>Sets the type that they are cast to.</summary>
    public void SetType(DeviceType device, torch.ScalarType type) => _setType((sbyte)device, (sbyte)type);

    /// <summary>Counts a scope.</summary>
    public void Enter() => _ = _enter();

    /// <summary>Counts a scope less; after the last one, the weights that were cast are forgotten.</summary>
    public void Leave()
    {
        if (_leave() == 0)
            _clearCache();
    }

    // All are in the namespace at::autocast.
    private static nint Find(string itanium, string microsoftName, string microsoftType) =>
        TorchExports.OfLibTorch("_ZN2at8autocast" + itanium, microsoftName + "autocast@at@@YA" + microsoftType);
}
