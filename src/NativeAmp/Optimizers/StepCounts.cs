using System.Runtime.InteropServices;

namespace NativeAmp;

/// <summary>
/// The number of updates of each tensor of a table, on the device. Adam computes its bias corrections from it. Steps
/// without a gradient of the tensor, and skipped steps, do not count.
/// </summary>
public sealed unsafe class StepCounts : IDisposable
{
    private readonly DeviceBuffer _buffer;

    /// <summary>The counts of tensors that were never updated.</summary>
    /// <param name="device">The device that the tensors are on.</param>
    /// <param name="tensorCount">Number of tensors, 0 or more.</param>
    public StepCounts(Device device, int tensorCount)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentOutOfRangeException.ThrowIfNegative(tensorCount);
        TensorCount = tensorCount;
        _buffer = device.Allocate(DType.UInt8, tensorCount * (long)sizeof(long), MemoryKind.OptimizerState);
        _buffer.Clear();
    }

    /// <summary>The device.</summary>
    public Device Device => _buffer.Device;

    /// <summary>Number of tensors.</summary>
    public int TensorCount { get; }

    /// <summary>
    /// Device pointer to the counts, one <see cref="long"/> for each tensor; 0 if there are no tensors.
    /// </summary>
    public nint Pointer => _buffer.Pointer;

    /// <summary>The counts, for work on a stream.</summary>
    internal nint On(DeviceStream? stream)
    {
        _buffer.RecordStream(stream);
        return Pointer;
    }

    /// <summary>Copies the counts to the host, and waits for them.</summary>
    public long[] Read()
    {
        var counts = new long[TensorCount];
        _buffer.CopyTo(MemoryMarshal.AsBytes(counts.AsSpan()));
        return counts;
    }

    /// <summary>Sets the counts.</summary>
    /// <param name="counts">One number for each tensor, 0 or more.</param>
    /// <exception cref="ArgumentException">The number of counts is not the number of tensors, or a count is negative.
    /// Nothing was changed.</exception>
    public void Write(ReadOnlySpan<long> counts)
    {
        if (counts.Length != TensorCount)
            throw new ArgumentException($"There are {TensorCount} tensors and {counts.Length} counts.", nameof(counts));
        foreach (long count in counts)
        {
            if (count < 0)
                throw new ArgumentException($"A tensor cannot have been updated {count} times.", nameof(counts));
        }
        _buffer.CopyFrom(MemoryMarshal.AsBytes(counts));
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => _buffer.Dispose();
}
