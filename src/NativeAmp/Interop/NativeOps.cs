namespace NativeAmp.Interop;

/// <summary>
/// The operators of networks, for the training layer: argument structs as nativeamp.h describes them, a failure as an exception.
/// Begin an argument struct with its <c>Create()</c>, which fills in its size.
/// </summary>
internal static unsafe class NativeOps
{
    /// <inheritdoc cref="NativeMethods.Gemm"/>
    public static void Gemm(Device device, in NampGemmArgs args, DeviceStream? stream = null)
    {
        fixed (NampGemmArgs* pointer = &args) Ensure.Success(NativeMethods.Gemm(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Conv2dForward"/>
    public static void Conv2dForward(Device device, in NampConv2dArgs args, DeviceStream? stream = null)
    {
        fixed (NampConv2dArgs* pointer = &args) Ensure.Success(NativeMethods.Conv2dForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Conv2dBackwardData"/>
    public static void Conv2dBackwardData(Device device, in NampConv2dArgs args, DeviceStream? stream = null)
    {
        fixed (NampConv2dArgs* pointer = &args) Ensure.Success(NativeMethods.Conv2dBackwardData(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Conv2dBackwardWeights"/>
    public static void Conv2dBackwardWeights(Device device, in NampConv2dArgs args, DeviceStream? stream = null)
    {
        fixed (NampConv2dArgs* pointer = &args) Ensure.Success(NativeMethods.Conv2dBackwardWeights(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Pool2dForward"/>
    public static void Pool2dForward(Device device, in NampPool2dArgs args, DeviceStream? stream = null)
    {
        fixed (NampPool2dArgs* pointer = &args) Ensure.Success(NativeMethods.Pool2dForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Pool2dBackward"/>
    public static void Pool2dBackward(Device device, in NampPool2dArgs args, DeviceStream? stream = null)
    {
        fixed (NampPool2dArgs* pointer = &args) Ensure.Success(NativeMethods.Pool2dBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.ActivationForward"/>
    public static void ActivationForward(Device device, in NampActivationArgs args, DeviceStream? stream = null)
    {
        fixed (NampActivationArgs* pointer = &args) Ensure.Success(NativeMethods.ActivationForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.ActivationBackward"/>
    public static void ActivationBackward(Device device, in NampActivationArgs args, DeviceStream? stream = null)
    {
        fixed (NampActivationArgs* pointer = &args) Ensure.Success(NativeMethods.ActivationBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.LayerNormForward"/>
    public static void LayerNormForward(Device device, in NampLayerNormArgs args, DeviceStream? stream = null)
    {
        fixed (NampLayerNormArgs* pointer = &args) Ensure.Success(NativeMethods.LayerNormForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.LayerNormBackward"/>
    public static void LayerNormBackward(Device device, in NampLayerNormArgs args, DeviceStream? stream = null)
    {
        fixed (NampLayerNormArgs* pointer = &args) Ensure.Success(NativeMethods.LayerNormBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.BatchNormForward"/>
    public static void BatchNormForward(Device device, in NampBatchNormArgs args, DeviceStream? stream = null)
    {
        fixed (NampBatchNormArgs* pointer = &args) Ensure.Success(NativeMethods.BatchNormForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.BatchNormBackward"/>
    public static void BatchNormBackward(Device device, in NampBatchNormArgs args, DeviceStream? stream = null)
    {
        fixed (NampBatchNormArgs* pointer = &args) Ensure.Success(NativeMethods.BatchNormBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.SoftmaxForward"/>
    public static void SoftmaxForward(Device device, in NampSoftmaxArgs args, DeviceStream? stream = null)
    {
        fixed (NampSoftmaxArgs* pointer = &args) Ensure.Success(NativeMethods.SoftmaxForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.SoftmaxBackward"/>
    public static void SoftmaxBackward(Device device, in NampSoftmaxArgs args, DeviceStream? stream = null)
    {
        fixed (NampSoftmaxArgs* pointer = &args) Ensure.Success(NativeMethods.SoftmaxBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.AttentionForward"/>
    public static void AttentionForward(Device device, in NampAttentionArgs args, DeviceStream? stream = null)
    {
        fixed (NampAttentionArgs* pointer = &args) Ensure.Success(NativeMethods.AttentionForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.AttentionBackward"/>
    public static void AttentionBackward(Device device, in NampAttentionArgs args, DeviceStream? stream = null)
    {
        fixed (NampAttentionArgs* pointer = &args) Ensure.Success(NativeMethods.AttentionBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.EmbeddingForward"/>
    public static void EmbeddingForward(Device device, in NampEmbeddingArgs args, DeviceStream? stream = null)
    {
        fixed (NampEmbeddingArgs* pointer = &args) Ensure.Success(NativeMethods.EmbeddingForward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.EmbeddingBackward"/>
    public static void EmbeddingBackward(Device device, in NampEmbeddingArgs args, DeviceStream? stream = null)
    {
        fixed (NampEmbeddingArgs* pointer = &args) Ensure.Success(NativeMethods.EmbeddingBackward(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Add"/>
    public static void Add(Device device, in NampAddArgs args, DeviceStream? stream = null)
    {
        fixed (NampAddArgs* pointer = &args) Ensure.Success(NativeMethods.Add(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Sum"/>
    public static void Sum(Device device, in NampSumArgs args, DeviceStream? stream = null)
    {
        fixed (NampSumArgs* pointer = &args) Ensure.Success(NativeMethods.Sum(device.Native, pointer, DeviceStream.NativeOf(stream)));
    }

    /// <inheritdoc cref="NativeMethods.Dropout"/>
    public static void Dropout(
        Device device, nint output, nint input, DType dtype, long count, float probability, ulong seed, ulong offset, DeviceStream? stream = null) =>
        Ensure.Success(NativeMethods.Dropout(
            device.Native, (void*)output, (void*)input, (int)dtype, count, probability, seed, offset, DeviceStream.NativeOf(stream)));

    /// <inheritdoc cref="NativeMethods.Permute"/>
    public static void Permute(
        Device device, nint output, nint input, DType dtype, ReadOnlySpan<long> shape, ReadOnlySpan<int> permutation, DeviceStream? stream = null)
    {
        if (shape.Length != permutation.Length)
            throw new ArgumentException($"A shape of {shape.Length} dimensions and a permutation of {permutation.Length} do not fit.", nameof(permutation));
        fixed (long* shapePointer = shape)
        fixed (int* permutationPointer = permutation)
        {
            Ensure.Success(NativeMethods.Permute(
                device.Native, (void*)output, (void*)input, (int)dtype, shape.Length, shapePointer, permutationPointer, DeviceStream.NativeOf(stream)));
        }
    }

    /// <inheritdoc cref="NativeMethods.Argmax"/>
    public static void Argmax(Device device, nint output, nint input, DType dtype, long rows, long width, DeviceStream? stream = null) =>
        Ensure.Success(NativeMethods.Argmax(device.Native, (int*)output, (void*)input, (int)dtype, rows, width, DeviceStream.NativeOf(stream)));
}
