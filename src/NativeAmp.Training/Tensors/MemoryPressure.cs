namespace NativeAmp.Training;

/// <summary>
/// Runs the garbage collector when there may be many unreferenced tensors, because it does not see device memory. So
/// memory stays bounded in a loop of forward passes without Backward and without a scope.
/// </summary>
/// <remarks>
/// The threshold grows to twice the memory in use after a collection, and never shrinks. If Backward and scopes give
/// the memory back, a training loop pays for a few collections in its first steps and for none later.
/// </remarks>
internal sealed class MemoryPressure(Device device)
{
    private const long FirstThreshold = 8 << 20;

    private long _threshold = FirstThreshold;

    /// <summary>The instance of a device.</summary>
    public static MemoryPressure Of(Device device) =>
        device.Attachment as MemoryPressure ?? (MemoryPressure)(device.Attachment = new MemoryPressure(device));

    /// <summary>Allocates memory for an operator's output. No lock is held here, so that finalizers may run.</summary>
    /// <exception cref="DeviceOutOfMemoryException">There is not enough memory, even after a collection.</exception>
    public Storage Allocate(DType dtype, long count, MemoryKind kind)
    {
        if (device.Handle.BufferBytes > Volatile.Read(ref _threshold))
        {
            Collect();
            Volatile.Write(ref _threshold, Math.Max(_threshold, 2 * device.Handle.BufferBytes));
        }

        try
        {
            return Storage.Allocate(device, dtype, count, kind);
        }
        catch (DeviceOutOfMemoryException)
        {
            Collect();
            return Storage.Allocate(device, dtype, count, kind);
        }
    }

    private void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        device.Handle.FreeAbandoned();
    }
}
