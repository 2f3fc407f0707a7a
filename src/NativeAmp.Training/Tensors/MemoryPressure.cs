namespace NativeAmp.Training;

/// <summary>
/// Has the garbage collector look for tensors that nobody refers to any more, when they may be many: device memory is
/// invisible to it. A loop of forward passes without Backward and without a scope so stays at a level.
/// </summary>
/// <remarks>
/// The threshold grows to twice what was in use after a collection and never shrinks, so that a training loop whose
/// memory is given back by Backward and scopes pays for a few collections in its first steps and for none later.
/// </remarks>
internal sealed class MemoryPressure(Device device)
{
    private const long FirstThreshold = 8 << 20;

    private long _threshold = FirstThreshold;

    /// <summary>That of a device.</summary>
    public static MemoryPressure Of(Device device) =>
        device.Attachment as MemoryPressure ?? (MemoryPressure)(device.Attachment = new MemoryPressure(device));

    /// <summary>Memory for an operator's output. Nothing is locked here, so that finalizers may run.</summary>
    /// <exception cref="DeviceOutOfMemoryException">There is none, even after a collection.</exception>
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
