namespace NativeAmp.Training;

/// <summary>Makes a tensor of a DLTensor that another library filled in; every field may be wrong.</summary>
internal static unsafe class DLPackImport
{
    // As many as NumPy and PyTorch allow.
    private const int MostDimensions = 64;

    public static void EnsureNotNull(void* managedTensor)
    {
        if (managedTensor is null)
            throw new ArgumentException("The pointer to the DLPack tensor is null.", nameof(managedTensor));
    }

    /// <summary>Takes over a tensor; or throws, and leaves it as it is.</summary>
    public static Tensor Take(Device device, in DLTensor source, bool readOnly, bool copy, Action? deleter)
    {
        ArgumentNullException.ThrowIfNull(device);
        EnsureDevice(device, source.DeviceType, source.DeviceId);
        DType dtype = DTypeOf(source);
        Shape shape = ShapeOf(source);
        ReadOnlySpan<long> strides = source.Strides is null ? [] : new(source.Strides, shape.Rank);
        bool isRowMajor = source.Strides is null || DLPackStrides.AreRowMajor(shape, strides);
        if (!isRowMajor && !(copy && device.IsHostMemory))
        {
            throw Refusal(
                $"The strides [{string.Join(", ", strides.ToArray())}] of the shape {shape} leave gaps or another order "
                    + "than row-major: make it contiguous first"
                    + (device.IsHostMemory ? ", or take a copy." : ".")
            );
        }

        if (readOnly && !copy)
            throw Refusal("The tensor is read-only, and tensors of this library are not: take a copy.");
        nint first = FirstElement(source, shape, dtype, strides);
        if (!copy)
            return Tensor.FromBlob(device, first, dtype, shape, deleter);
        // Refuses misaligned memory and such that goes beyond the address space, as without a copy.
        using DeviceBuffer borrowed = device.BorrowMemory(
            first,
            dtype,
            isRowMajor ? shape.Count : Math.Min(1, shape.Count)
        );
        Tensor result = Copy(device, first, dtype, shape, strides, isRowMajor);
        deleter?.Invoke();
        return result;
    }

    private static Tensor Copy(
        Device device,
        nint first,
        DType dtype,
        Shape shape,
        ReadOnlySpan<long> strides,
        bool isRowMajor
    )
    {
        Tensor result = Tensor.Empty(device, dtype, shape);
        try
        {
            if (!isRowMajor)
                DLPackStrides.Gather((void*)first, result.Pointer, shape, strides, dtype.SizeInBytes());
            else if (shape.Count > 0)
            {
                device.CopyOnDevice((nint)result.Pointer, first, result.Bytes);
                // The deleter comes next.
                device.CurrentStream.Synchronize();
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    private static void EnsureDevice(Device device, int type, int id)
    {
        bool fits = device.IsHostMemory
            ? type is DLPackCodes.Cpu or DLPackCodes.CudaHost
            : type == DLPackCodes.CudaManaged || (type == DLPackCodes.Cuda && id == device.Ordinal);
        if (!fits)
        {
            string own = DLPackCodes.NameOf(device.IsHostMemory ? DLPackCodes.Cpu : DLPackCodes.Cuda, device.Ordinal);
            throw Refusal($"The tensor is on {DLPackCodes.NameOf(type, id)}, the device is {own}.");
        }
    }

    private static DType DTypeOf(in DLTensor source)
    {
        DType dtype = source.TypeLanes == 1 ? DLPackCodes.DTypeOf(source.TypeCode, source.TypeBits) : DType.None;
        return dtype != DType.None
            ? dtype
            : throw Refusal(
                $"The elements are {DLPackCodes.NameOf(source.TypeCode, source.TypeBits, source.TypeLanes)}; a tensor "
                    + "has float32, float16, bfloat16, int32, uint8, float8_e4m3fn or float8_e5m2."
            );
    }

    private static Shape ShapeOf(in DLTensor source)
    {
        if (source.Ndim is < 0 or > MostDimensions)
            throw Refusal($"The tensor has {source.Ndim} dimensions; 0 to {MostDimensions} are allowed.");
        if (source.Ndim == 0)
            return Shape.Scalar;
        if (source.Shape is null)
            throw Refusal($"The tensor has {source.Ndim} dimensions, and its pointer to their sizes is null.");
        return new Shape(new ReadOnlySpan<long>(source.Shape, source.Ndim));
    }

    // Where the element of index 0 is, once all elements are known to be inside of the address space.
    private static nint FirstElement(in DLTensor source, Shape shape, DType dtype, ReadOnlySpan<long> strides)
    {
        if (shape.Count == 0)
            return 0;
        if (source.Data is null)
            throw Refusal($"The pointer to the {shape.Count} elements is null.");
        UInt128 first = (UInt128)(nuint)source.Data + source.ByteOffset;
        (Int128 lowest, Int128 highest) = DLPackStrides.Extent(shape, strides);
        int size = dtype.SizeInBytes();
        // In this order: the products of the last two conditions fit where the first two are false.
        if (
            lowest < -(Int128)nuint.MaxValue
            || highest > nuint.MaxValue
            || (Int128)first + lowest * size < 1
            || (Int128)first + (highest + 1) * size > nuint.MaxValue
        )
        {
            throw Refusal(
                $"Elements {lowest} to {highest} from 0x{(nuint)source.Data:x} + {source.ByteOffset} are outside of the "
                    + "address space."
            );
        }

        return (nint)(nuint)first;
    }

    private static ArgumentException Refusal(string message) => new(message);
}
