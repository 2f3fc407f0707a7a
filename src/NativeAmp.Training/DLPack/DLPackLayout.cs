using System.Runtime.InteropServices;

namespace NativeAmp.Training;

// The structs of DLPack 1.x (dlpack.h of github.com/dmlc/dlpack), in the order of its fields and with its names.

/// <summary>DLTensor, with its DLDevice and DLDataType written out.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct DLTensor
{
    public void* Data;
    public int DeviceType;
    public int DeviceId;
    public int Ndim;
    public byte TypeCode;
    public byte TypeBits;
    public ushort TypeLanes;
    public long* Shape;
    public long* Strides;
    public ulong ByteOffset;
}

/// <summary>DLManagedTensor, of the time before versions.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct DLManagedTensor
{
    public DLTensor Tensor;
    public void* ManagerContext;
    public delegate* unmanaged[Cdecl]<DLManagedTensor*, void> Deleter;
}

/// <summary>DLManagedTensorVersioned. The fields before the tensor stay in place in every version.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct DLManagedTensorVersioned
{
    public const uint MajorVersion = 1;

    // The codes of FP8 came with 1.1.
    public const uint MinorVersion = 1;
    public const ulong ReadOnlyFlag = 1;

    public uint Major;
    public uint Minor;
    public void* ManagerContext;
    public delegate* unmanaged[Cdecl]<DLManagedTensorVersioned*, void> Deleter;
    public ulong Flags;
    public DLTensor Tensor;
}
