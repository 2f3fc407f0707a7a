using TorchSharp;

namespace NativeAmp.TorchSharp;

#pragma warning disable CS8981 // A name in small letters, as torch's own.

/// <summary><c>torch.amp</c> for TorchSharp: autocast.</summary>
public static class amp
#pragma warning restore CS8981
{
    /// <summary>
    /// Casts what operators read on a device, by libtorch's own lists, until the scope is disposed: products,
    /// convolutions and attention compute in half precision; losses, norms and softmax in float32. Parameters stay as
    /// they are and get gradients in their own type.
    /// </summary>
    /// <remarks>
    /// It is the state of the thread, as in PyTorch, and holds for functions as for modules. Leave it before the
    /// backward pass, which uses the types of the forward pass by itself. The compiler refuses an <c>await</c> within
    /// the scope, after which another thread would go on without it. float16 needs a <see cref="GradScaler"/>.
    /// </remarks>
    /// <param name="device_type">The type of device whose operators are cast, <see cref="DeviceType.CPU"/> or
    /// <see cref="DeviceType.CUDA"/>.</param>
    /// <param name="dtype">float16 or bfloat16; null for libtorch's choice, bfloat16 on the CPU and float16 with
    /// CUDA.</param>
    /// <param name="enabled">Whether to cast; false turns an outer scope off.</param>
    /// <param name="cache_enabled">Whether a weight is cast once until the outermost scope is left. Turn it off where
    /// weights change within the scope.</param>
    /// <exception cref="ArgumentException">The type is neither float16 nor bfloat16.</exception>
    /// <exception cref="NotSupportedException">The device is another, or libtorch lacks autocast.</exception>
    public static TorchAutocastScope autocast(
        DeviceType device_type,
        torch.ScalarType? dtype = null,
        bool enabled = true,
        bool cache_enabled = true
    )
    {
        EnsureKnown(device_type);
        if (dtype is not (null or torch.ScalarType.Float16 or torch.ScalarType.BFloat16))
            throw new ArgumentException(
                $"Autocast to {dtype} makes no sense: the types are Float16 and BFloat16.",
                nameof(dtype)
            );
        return new TorchAutocastScope(device_type, dtype, enabled, cache_enabled);
    }

    /// <summary>The same, for the type of a device.</summary>
    /// <param name="device">A device of the type whose operators are cast, such as the model's.</param>
    /// <param name="dtype">float16 or bfloat16; null for libtorch's choice.</param>
    /// <param name="enabled">Whether to cast; false turns an outer scope off.</param>
    /// <param name="cache_enabled">Whether a weight is cast once until the outermost scope is left.</param>
    /// <exception cref="ArgumentException">The type is neither float16 nor bfloat16.</exception>
    /// <exception cref="NotSupportedException">The device is another, or libtorch lacks autocast.</exception>
    public static TorchAutocastScope autocast(
        torch.Device device,
        torch.ScalarType? dtype = null,
        bool enabled = true,
        bool cache_enabled = true
    )
    {
        ArgumentNullException.ThrowIfNull(device);
        return autocast(device.type, dtype, enabled, cache_enabled);
    }

    /// <summary>Whether this thread casts operators on a type of device.</summary>
    public static bool is_autocast_enabled(DeviceType device_type)
    {
        EnsureKnown(device_type);
        return LibTorchAutocast.Instance.IsEnabled(device_type);
    }

    /// <summary>The type that this thread casts operators on a type of device to, or would.</summary>
    public static torch.ScalarType get_autocast_dtype(DeviceType device_type)
    {
        EnsureKnown(device_type);
        return LibTorchAutocast.Instance.TypeOf(device_type);
    }

    // libtorch would throw a C++ exception for some of the others.
    private static void EnsureKnown(DeviceType type)
    {
        if (type is not (DeviceType.CPU or DeviceType.CUDA))
            throw new NotSupportedException($"NativeAmp knows autocast on the CPU and with CUDA, not on {type}.");
    }
}
