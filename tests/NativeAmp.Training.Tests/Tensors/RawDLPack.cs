using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeAmp.Training.Tests.Tensors;

/// <summary>
/// The other library: DLPack's structs by the byte offsets that dlpack.h gives them on a 64-bit machine, without the
/// product's structs.
/// </summary>
/// <remarks>
/// DLTensor, 48 bytes: data 0, device_type 8, device_id 12, ndim 16, code 20, bits 21, lanes 22, shape 24, strides 32,
/// byte_offset 40. DLManagedTensor, 64 bytes: the tensor 0, manager_ctx 48, deleter 56. DLManagedTensorVersioned, 80
/// bytes: major 0, minor 4, manager_ctx 8, deleter 16, flags 24, the tensor 32.
/// </remarks>
internal sealed unsafe class RawDLPack(bool legacy)
{
    private const int SizeOfTensor = 48;

    private static readonly Dictionary<nint, RawDLPack> s_made = [];

    /// <summary>How often the deleter was called.</summary>
    public int Deleted { get; private set; }

    public bool Legacy => legacy;

    public uint Major { get; init; } = 1;

    public ulong Flags { get; init; }

    public nint Data { get; init; }

    public int DeviceType { get; init; } = 1;

    public int DeviceId { get; init; }

    public byte Code { get; init; } = 2;

    public byte Bits { get; init; } = 32;

    public ushort Lanes { get; init; } = 1;

    public int? Dimensions { get; init; }

    public long[]? Shape { get; init; }

    public long[]? Strides { get; init; }

    public ulong ByteOffset { get; init; }

    public bool HasDeleter { get; init; } = true;

    /// <summary>Runs when the deleter is called.</summary>
    public Action? OnDelete { get; init; }

    /// <summary>A struct with these fields; freed by its deleter.</summary>
    public nint Produce()
    {
        var managed = (byte*)NativeMemory.AllocZeroed(80);
        *(nint*)(managed + (legacy ? 48 : 8)) = 0x5EED;
        delegate* unmanaged[Cdecl]<nint, void> deleter = &Delete;
        *(nint*)(managed + (legacy ? 56 : 16)) = HasDeleter ? (nint)deleter : 0;
        if (!legacy)
        {
            *(uint*)managed = Major;
            *(uint*)(managed + 4) = 1;
            *(ulong*)(managed + 24) = Flags;
        }

        byte* tensor = managed + (legacy ? 0 : 32);
        *(nint*)tensor = Data;
        *(int*)(tensor + 8) = DeviceType;
        *(int*)(tensor + 12) = DeviceId;
        *(int*)(tensor + 16) = Dimensions ?? Shape?.Length ?? 0;
        tensor[20] = Code;
        tensor[21] = Bits;
        *(ushort*)(tensor + 22) = Lanes;
        *(long**)(tensor + 24) = Copy(Shape);
        *(long**)(tensor + 32) = Copy(Strides);
        *(ulong*)(tensor + 40) = ByteOffset;
        lock (s_made)
            s_made.Add((nint)managed, this);
        return (nint)managed;
    }

    /// <summary>The fields of a struct that the product made.</summary>
    public static RawDLPack Read(nint managed, bool legacy)
    {
        var bytes = (byte*)managed;
        byte* tensor = bytes + (legacy ? 0 : 32);
        int rank = *(int*)(tensor + 16);
        return new RawDLPack(legacy)
        {
            Major = legacy ? 0 : *(uint*)bytes,
            Flags = legacy ? 0 : *(ulong*)(bytes + 24),
            Data = *(nint*)tensor,
            DeviceType = *(int*)(tensor + 8),
            DeviceId = *(int*)(tensor + 12),
            Dimensions = rank,
            Code = tensor[20],
            Bits = tensor[21],
            Lanes = *(ushort*)(tensor + 22),
            Shape = new Span<long>(*(long**)(tensor + 24), rank).ToArray(),
            Strides = new Span<long>(*(long**)(tensor + 32), rank).ToArray(),
            ByteOffset = *(ulong*)(tensor + 40),
        };
    }

    /// <summary>Calls a struct's deleter, as a consumer does.</summary>
    public static void CallDeleter(nint managed, bool legacy) =>
        (*(delegate* unmanaged[Cdecl]<nint, void>*)(managed + (legacy ? 56 : 16)))(managed);

    private static long* Copy(long[]? values)
    {
        if (values is null)
            return null;
        var copy = (long*)NativeMemory.Alloc((nuint)Math.Max(1, values.Length) * sizeof(long));
        values.CopyTo(new Span<long>(copy, values.Length));
        return copy;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Delete(nint managed)
    {
        RawDLPack made;
        lock (s_made)
        {
            made = s_made[managed];
            s_made.Remove(managed);
        }

        made.Deleted++;
        made.OnDelete?.Invoke();
        var tensor = (byte*)managed + (made.Legacy ? 0 : 32);
        NativeMemory.Free(*(void**)(tensor + 24));
        NativeMemory.Free(*(void**)(tensor + 32));
        // The memory of the struct stays unreadable garbage: a second call would not find it in the table.
        new Span<byte>((void*)managed, 16 + SizeOfTensor).Fill(0xDB);
        NativeMemory.Free((void*)managed);
    }
}
