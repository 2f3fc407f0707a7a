using NativeAmp.Interop;

namespace NativeAmp.Instruments;

/// <summary>
/// The memory traffic of a kernel without its arithmetic: an instrument for benchmarks, which training does not need.
/// </summary>
public static unsafe class MemoryTouch
{
    /// <summary>
    /// Reads and writes the columns of a table as a kernel does, and computes nothing. The time of a kernel is compared
    /// with its time. A column that is read and written back is complemented, because hardware may skip a write that
    /// changes nothing; a second call restores it.
    /// </summary>
    /// <param name="table">The table. Its columns in use are float32, float16 or bfloat16; null cells are left
    /// out.</param>
    /// <param name="accesses">The access to each column.</param>
    /// <param name="checksum">Device pointer to a <see cref="uint"/> that receives the exclusive or of the bits of all
    /// elements read, or 0.</param>
    /// <param name="stream">The stream.</param>
    public static void Run(
        TensorTable table,
        ReadOnlySpan<ColumnAccess> accesses,
        nint checksum = 0,
        DeviceStream? stream = null
    )
    {
        ArgumentNullException.ThrowIfNull(table);
        if (accesses.Length != table.ColumnCount)
            throw new ArgumentException(
                $"The table has {table.ColumnCount} columns; there are {accesses.Length} accesses.",
                nameof(accesses)
            );
        fixed (ColumnAccess* pointer = accesses)
            Ensure.Success(
                NativeMethods.TableTouch(
                    (uint*)checksum,
                    table.Native,
                    (int*)pointer,
                    DeviceStream.NativeOf(table.Device, stream)
                )
            );
    }
}
