using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Tensors registered once, so that a kernel works on all of them in one call. A row is a tensor with its number of
/// elements. A column gives every row a pointer and a type: gradients, parameters, moments. The tensors' memory may
/// belong to any library, and must outlive the table's use.
/// </summary>
public sealed unsafe class TensorTable : IDisposable
{
    private readonly TableHandle _handle;

    private TensorTable(Device device, TableHandle handle, int tensorCount, int columnCount)
    {
        Device = device;
        _handle = handle;
        TensorCount = tensorCount;
        ColumnCount = columnCount;
    }

    /// <summary>The device that the tensors are on.</summary>
    public Device Device { get; }

    /// <summary>Number of rows.</summary>
    public int TensorCount { get; }

    /// <summary>Number of columns.</summary>
    public int ColumnCount { get; }

    /// <summary>
    /// Device pointer to the <see cref="OverflowFacts"/> of all tensors, written by an unscale-and-check. Valid while
    /// the table lives.
    /// </summary>
    public nint FactsPointer
    {
        get
        {
            NampOverflowFacts* facts;
            Ensure.Success(NativeMethods.TableGetFacts(&facts, Native));
            return (nint)facts;
        }
    }

    internal NampTable* Native
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return (NampTable*)_handle.DangerousGetHandle();
        }
    }

    /// <summary>Registers tensors of one group.</summary>
    /// <param name="device">The device that they are on.</param>
    /// <param name="counts">Elements of each tensor, 0 or more.</param>
    /// <param name="columns">1 to 8 columns, each with one cell for each tensor.</param>
    /// <exception cref="NativeAmpArgumentException">A pointer is not aligned to its type, a count negative, a type
    /// unknown.</exception>
    public static TensorTable Create(
        Device device,
        ReadOnlySpan<long> counts,
        params ReadOnlySpan<TensorCell[]> columns
    ) => CreateGrouped(device, counts, [], columns);

    /// <summary>Registers tensors of several parameter groups.</summary>
    /// <param name="device">The device that they are on.</param>
    /// <param name="counts">Elements of each tensor, 0 or more.</param>
    /// <param name="groups">Index of each tensor's parameter group in an optimizer's step; empty if all are in group
    /// 0.</param>
    /// <param name="columns">1 to 8 columns, each with one cell for each tensor.</param>
    /// <exception cref="NativeAmpArgumentException">A pointer is not aligned to its type, a count negative, a type
    /// unknown.</exception>
    public static TensorTable CreateGrouped(
        Device device,
        ReadOnlySpan<long> counts,
        ReadOnlySpan<int> groups,
        params ReadOnlySpan<TensorCell[]> columns
    )
    {
        ArgumentNullException.ThrowIfNull(device);
        if (!groups.IsEmpty && groups.Length != counts.Length)
            throw new ArgumentException(
                $"There are {counts.Length} tensors and {groups.Length} group indices.",
                nameof(groups)
            );
        var cells = RowMajor(counts.Length, columns);
        device.Handle.FreeAbandoned();
        NampTable* table;
        fixed (long* countsPointer = counts)
        fixed (int* groupsPointer = groups)
        fixed (TensorCell* cellsPointer = cells)
        {
            var description = NampTableDescription.Create();
            description.ColumnCount = columns.Length;
            description.TensorCount = counts.Length;
            description.Counts = countsPointer;
            description.Cells = (NampCell*)cellsPointer;
            description.Groups = groupsPointer;
            Ensure.Success(NativeMethods.TableCreate(&table, device.Native, &description));
        }
        return new TensorTable(device, new TableHandle(device.Handle, (nint)table), counts.Length, columns.Length);
    }

    /// <summary>Changes the cells of one column, for tensors that moved. The counts stay.</summary>
    /// <param name="column">The column, from 0.</param>
    /// <param name="cells">One cell for each tensor.</param>
    /// <param name="stream">The stream that uses the table; null for the current one.</param>
    public void SetColumn(int column, ReadOnlySpan<TensorCell> cells, DeviceStream? stream = null)
    {
        if (cells.Length != TensorCount)
            throw new ArgumentException(
                $"The table has {TensorCount} tensors; there are {cells.Length} cells.",
                nameof(cells)
            );
        fixed (TensorCell* pointer = cells)
            Ensure.Success(
                NativeMethods.TableSetColumn(Native, column, (NampCell*)pointer, DeviceStream.NativeOf(Device, stream))
            );
    }

    /// <summary>Copies the facts of every tensor to the host, and waits for them.</summary>
    /// <param name="facts">Receives <see cref="TensorCount"/> facts.</param>
    /// <param name="stream">The stream that the check ran on; null for the current one.</param>
    public void ReadFacts(Span<OverflowFacts> facts, DeviceStream? stream = null)
    {
        if (facts.Length != TensorCount)
            throw new ArgumentException(
                $"The table has {TensorCount} tensors; there is room for {facts.Length}.",
                nameof(facts)
            );
        if (!facts.IsEmpty)
            Device.CopyToHost(MemoryMarshal.AsBytes(facts), FactsPointer, stream);
    }

    /// <summary>Destroys the table; the tensors' memory stays.</summary>
    public void Dispose() => _handle.Dispose();

    private static TensorCell[] RowMajor(int tensors, ReadOnlySpan<TensorCell[]> columns)
    {
        var cells = new TensorCell[tensors * columns.Length];
        for (int column = 0; column < columns.Length; column++)
        {
            ArgumentNullException.ThrowIfNull(columns[column], nameof(columns));
            if (columns[column].Length != tensors)
                throw new ArgumentException(
                    $"There are {tensors} tensors; column {column} has {columns[column].Length} cells.",
                    nameof(columns)
                );
            for (int tensor = 0; tensor < tensors; tensor++)
                cells[tensor * columns.Length + column] = columns[column][tensor];
        }
        return cells;
    }

    private sealed class TableHandle(DeviceHandle device, nint table) : DeviceResourceHandle(device, table)
    {
        protected override int Release() => NativeMethods.TableDestroy((NampTable*)handle);

        protected override void Abandon() => Device.Abandon(handle, DeviceResource.Table);
    }
}
