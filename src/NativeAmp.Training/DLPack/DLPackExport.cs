using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeAmp.Training;

/// <summary>Makes DLPack's structs of a tensor, with a reference to its memory that their deleters drop.</summary>
internal static unsafe class DLPackExport
{
    private const nint DefaultStream = 1;
    private const nint NoStream = -1;

    public static DLManagedTensorVersioned* Versioned(Tensor tensor, nint? stream, bool readOnly)
    {
        GetReady(tensor, stream);
        var managed = (DLManagedTensorVersioned*)Allocate(sizeof(DLManagedTensorVersioned), tensor);
        *managed = new DLManagedTensorVersioned
        {
            Major = DLManagedTensorVersioned.MajorVersion,
            Minor = DLManagedTensorVersioned.MinorVersion,
            ManagerContext = Hold(tensor, readOnly),
            Deleter = &DeleteVersioned,
            Flags = readOnly ? DLManagedTensorVersioned.ReadOnlyFlag : 0,
            Tensor = Describe(tensor, (long*)(managed + 1)),
        };
        return managed;
    }

    public static DLManagedTensor* Legacy(Tensor tensor, nint? stream)
    {
        GetReady(tensor, stream);
        var managed = (DLManagedTensor*)Allocate(sizeof(DLManagedTensor), tensor);
        *managed = new DLManagedTensor
        {
            Tensor = Describe(tensor, (long*)(managed + 1)),
            ManagerContext = Hold(tensor, readOnly: false),
            Deleter = &DeleteLegacy,
        };
        return managed;
    }

    private static void GetReady(Tensor tensor, nint? stream)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.RequiresGrad)
        {
            throw new InvalidOperationException(
                $"{tensor.Describe()} requires a gradient, and its graph would not see what others write. Export its "
                    + "Detach()."
            );
        }

        _ = tensor.Storage;
        if (tensor.Device.IsHostMemory)
        {
            if (stream is not (null or NoStream))
                throw BadStream(stream.Value, "A CPU has no streams: pass null.");
            return;
        }

        nint consumer = stream ?? DefaultStream;
        if (consumer == NoStream)
            return;
        if (consumer == 0)
            throw BadStream(consumer, "DLPack has 1 for CUDA's default stream.");
        if (consumer < 0)
            throw BadStream(consumer, "It is neither a CUstream, nor 1, 2 or -1.");
        using DeviceStream other = tensor.Device.BorrowStream(consumer);
        if (other.Handle != tensor.Device.CurrentStream.Handle)
            other.WaitFor(tensor.Device.CurrentStream);
    }

    private static ArgumentException BadStream(nint stream, string reason) =>
        new(
            string.Create(CultureInfo.InvariantCulture, $"Stream {stream} cannot be the consumer's. {reason}"),
            nameof(stream)
        );

    // Shape and strides lie behind the struct.
    private static void* Allocate(int bytes, Tensor tensor) =>
        NativeMemory.Alloc((nuint)bytes + (nuint)tensor.Shape.Rank * 2 * sizeof(long));

    private static void* Hold(Tensor tensor, bool readOnly)
    {
        if (!readOnly)
            tensor.Storage.MarkWritten();
        return (void*)GCHandle.ToIntPtr(GCHandle.Alloc(tensor.Storage.Share()));
    }

    private static DLTensor Describe(Tensor tensor, long* dimensions)
    {
        int rank = tensor.Shape.Rank;
        var shape = new Span<long>(dimensions, rank);
        tensor.Shape.Dimensions.CopyTo(shape);
        DLPackStrides.RowMajor(shape, new Span<long>(dimensions + rank, rank));
        (byte code, byte bits) = DLPackCodes.Of(tensor.DType);
        return new DLTensor
        {
            Data = tensor.Count == 0 ? null : tensor.Pointer,
            DeviceType = tensor.Device.IsHostMemory ? DLPackCodes.Cpu : DLPackCodes.Cuda,
            DeviceId = tensor.Device.Ordinal,
            Ndim = rank,
            TypeCode = code,
            TypeBits = bits,
            TypeLanes = 1,
            Shape = dimensions,
            Strides = dimensions + rank,
        };
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void DeleteVersioned(DLManagedTensorVersioned* managed) => Delete(managed, managed->ManagerContext);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void DeleteLegacy(DLManagedTensor* managed) => Delete(managed, managed->ManagerContext);

    private static void Delete(void* managed, void* context)
    {
        GCHandle handle = GCHandle.FromIntPtr((nint)context);
        try
        {
            ((Storage)handle.Target!).Drop();
        }
        catch (Exception)
        {
            // The caller is native code, through which an exception must not go. Memory that the device did not take
            // back is tried again by its next call.
        }

        handle.Free();
        NativeMemory.Free(managed);
    }
}
