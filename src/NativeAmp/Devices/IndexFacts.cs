using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// A device's record of labels and indices out of range. Kernels write it, and the host does not wait for them; each
/// step keeps a copy with its other findings. The first operator with labels or indices makes the record, and it lives
/// as long as the device.
/// </summary>
internal sealed unsafe class IndexFacts
{
    private readonly Lock _making = new();
    private NampIndexFact* _fact;

    /// <summary>Device pointer to the record; null while there is none.</summary>
    public NampIndexFact* Pointer => _fact;

    /// <summary>Device pointer to the record, which is made if there is none.</summary>
    public NampIndexFact* Make(Device device)
    {
        if (_fact is not null)
            return _fact;
        lock (_making)
        {
            if (_fact is not null)
                return _fact;
            // Memory of this kind goes back with the device.
            nint pointer = device.AllocateMemory(sizeof(NampIndexFact), MemoryKind.Workspace);
            device.FillMemory(pointer, 0, sizeof(NampIndexFact));
            // Other streams do not wait for this one.
            device.CurrentStream.Synchronize();
            _fact = (NampIndexFact*)pointer;
            return _fact;
        }
    }

    /// <summary>Copies the record to the host; waits for the device.</summary>
    public NampIndexFact Read(Device device) => _fact is null ? default : device.Read<NampIndexFact>((nint)_fact);

    /// <summary>Throws if one of these labels, in host memory, is neither a class nor ignored.</summary>
    public static void CheckLabels(int* labels, long rows, long classes, int ignored)
    {
        for (long row = 0; row < rows; row++)
        {
            if ((labels[row] >= 0 && labels[row] < classes) || labels[row] == ignored)
                continue;
            throw new IndexRangeException(
                new NampIndexFact
                {
                    Position = row,
                    Value = labels[row],
                    Range = classes,
                    Kind = (int)NampIndexKind.Label,
                }
            );
        }
    }

    /// <summary>Throws if one of these indices, in host memory, is not a row of the table.</summary>
    public static void CheckIndices(int* indices, long count, long rows)
    {
        for (long i = 0; i < count; i++)
        {
            if (indices[i] >= 0 && indices[i] < rows)
                continue;
            throw new IndexRangeException(
                new NampIndexFact
                {
                    Position = i,
                    Value = indices[i],
                    Range = rows,
                    Kind = (int)NampIndexKind.Row,
                }
            );
        }
    }
}
