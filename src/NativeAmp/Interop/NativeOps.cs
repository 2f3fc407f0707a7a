namespace NativeAmp.Interop;

/// <summary>
/// The operators of networks, for the training layer. They take the argument structs of nativeamp.h, and throw on
/// failure. Begin an argument struct with its <c>Create()</c>, which fills in its size.
/// </summary>
internal static unsafe partial class NativeOps
{
    /// <inheritdoc cref="NativeMethods.Int8PackedBytes"/>
    public static long Int8PackedBytes(Device device, in NampInt8PackArgs args)
    {
        long bytes;
        fixed (NampInt8PackArgs* pointer = &args)
            Ensure.Success(NativeMethods.Int8PackedBytes(&bytes, device.Native, pointer));
        return bytes;
    }

    /// <inheritdoc cref="NativeMethods.Int4PackedBytes"/>
    public static long Int4PackedBytes(Device device, in NampInt4PackArgs args)
    {
        long bytes;
        fixed (NampInt4PackArgs* pointer = &args)
            Ensure.Success(NativeMethods.Int4PackedBytes(&bytes, device.Native, pointer));
        return bytes;
    }

    /// <inheritdoc cref="NativeMethods.Dropout"/>
    public static void Dropout(
        Device device,
        nint output,
        nint input,
        DType dtype,
        long count,
        float probability,
        ulong seed,
        ulong offset,
        nint offsetBase = 0,
        DeviceStream? stream = null
    ) =>
        Ensure.Success(
            NativeMethods.Dropout(
                device.Native,
                (void*)output,
                (void*)input,
                (int)dtype,
                count,
                probability,
                seed,
                offset,
                (ulong*)offsetBase,
                DeviceStream.NativeOf(device, stream)
            )
        );

    /// <inheritdoc cref="NativeMethods.Permute"/>
    public static void Permute(
        Device device,
        nint output,
        nint input,
        DType dtype,
        ReadOnlySpan<long> shape,
        ReadOnlySpan<int> permutation,
        DeviceStream? stream = null
    )
    {
        if (shape.Length != permutation.Length)
            throw new ArgumentException(
                $"A shape of {shape.Length} dimensions and a permutation of {permutation.Length} do not fit.",
                nameof(permutation)
            );
        fixed (long* shapePointer = shape)
        fixed (int* permutationPointer = permutation)
        {
            Ensure.Success(
                NativeMethods.Permute(
                    device.Native,
                    (void*)output,
                    (void*)input,
                    (int)dtype,
                    shape.Length,
                    shapePointer,
                    permutationPointer,
                    DeviceStream.NativeOf(device, stream)
                )
            );
        }
    }

    /// <inheritdoc cref="NativeMethods.Argmax"/>
    public static void Argmax(
        Device device,
        nint output,
        nint input,
        DType dtype,
        long rows,
        long width,
        DeviceStream? stream = null
    ) =>
        Ensure.Success(
            NativeMethods.Argmax(
                device.Native,
                (int*)output,
                (void*)input,
                (int)dtype,
                rows,
                width,
                DeviceStream.NativeOf(device, stream)
            )
        );
}
