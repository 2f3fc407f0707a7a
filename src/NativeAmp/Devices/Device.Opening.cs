using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <content>Which devices there are, and how one is opened.</content>
public sealed unsafe partial class Device
{
    /// <summary>Opens the machine's processors.</summary>
    /// <param name="threads">Threads to use; 0 for as many as <see cref="Threads"/> says.</param>
    /// <exception cref="NativeAmpLibraryException">The native library is not there.</exception>
    /// <exception cref="NativeAmpArgumentException">The number of threads is not in 0 to 1024.</exception>
    public static Device Cpu(int threads = 0)
    {
        var device = new Device(DeviceKind.Cpu, 0);
        try
        {
            device.Threads = threads;
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <summary>Opens an NVIDIA GPU.</summary>
    /// <param name="ordinal">Its number, from 0.</param>
    /// <exception cref="NativeAmpUnavailableException">There is no such GPU, no driver, or no GPU backend in this
    /// build; the message says which.</exception>
    public static Device Cuda(int ordinal = 0) => new(DeviceKind.Cuda, ordinal);

    /// <summary>
    /// Opens an NVIDIA GPU in a CUDA context of another library, so that memory, streams and events of that context are
    /// the device's. <see cref="Cuda"/> works in the GPU's primary context, where the CUDA runtime and TorchSharp are.
    /// </summary>
    /// <param name="context">The context (a <c>CUcontext</c>). It must live until the device is closed; the primary one
    /// is kept alive.</param>
    /// <exception cref="NativeAmpArgumentException">The context is 0, or was destroyed.</exception>
    /// <exception cref="NativeAmpUnavailableException">There is no GPU, no driver, or no GPU backend in this build; the
    /// message says which.</exception>
    public static Device InCudaContext(nint context) => new(context);

    /// <summary>
    /// The first NVIDIA GPU that can be opened, else the machine's processors: a GPU may be too old, or in use by
    /// another process alone.
    /// </summary>
    public static Device Best() => Best(out _);

    /// <summary>The same, with the reasons.</summary>
    /// <param name="reason">Why it is not the first GPU: there is none, or what each GPU before it said, a line each;
    /// empty where it is.</param>
    public static Device Best(out string reason)
    {
        DeviceAvailability gpus = Available(DeviceKind.Cuda);
        reason = gpus.Reason;
        for (int ordinal = 0; ordinal < gpus.Count; ordinal++)
        {
            try
            {
                return Cuda(ordinal);
            }
            catch (NativeAmpException failure)
            {
                reason += (reason.Length == 0 ? "" : "\n") + $"CUDA device {ordinal}: {failure.Message}";
            }
        }
        return Cpu();
    }

    /// <summary>How many devices of a kind there are, and if none, why.</summary>
    public static DeviceAvailability Available(DeviceKind kind)
    {
        NativeAmpRuntime.EnsureLoaded();
        const int Capacity = 1024;
        byte* reason = stackalloc byte[Capacity];
        int count;
        Ensure.Success(NativeMethods.DeviceCount(&count, (int)kind, reason, Capacity));
        return new DeviceAvailability(kind, count, Marshal.PtrToStringUTF8((nint)reason)!);
    }
}
