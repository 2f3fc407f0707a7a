using System.Runtime.InteropServices;

namespace NativeAmp.Telemetry;

/// <summary>
/// Finds the UUID of a CUDA device, by which NVML knows it. CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER make their
/// numbers differ; the UUID is the same.
/// </summary>
internal static unsafe class CudaDeviceUuid
{
    private const int Bytes = 16;

    /// <summary>Gets the UUID from the driver, which was initialized when the device was opened.</summary>
    /// <returns>The UUID, or null if the driver does not give it.</returns>
    public static string? Of(int ordinal, out string reason)
    {
        nint library;
        try
        {
            library = NativeAmpRuntime.Open(VendorLibrary.Cuda);
        }
        catch (NativeAmpException failure)
        {
            reason = failure.Message;
            return null;
        }

        reason = "the CUDA driver has no cuDeviceGetUuid";
        if (
            !NativeLibrary.TryGetExport(library, "cuDeviceGet", out nint get)
            || !NativeLibrary.TryGetExport(library, "cuDeviceGetUuid", out nint uuid)
        )
            return null;
        int device;
        byte* id = stackalloc byte[Bytes];
        int result = ((delegate* unmanaged<int*, int, int>)get)(&device, ordinal);
        if (result == 0)
            result = ((delegate* unmanaged<byte*, int, int>)uuid)(id, device);
        reason = result == 0 ? "" : $"the CUDA driver does not give the UUID of device {ordinal} (error {result})";
        return result == 0 ? Format(new ReadOnlySpan<byte>(id, Bytes)) : null;
    }

    /// <summary>Formats the UUID as "GPU-" and the bytes in five groups.</summary>
    private static string Format(ReadOnlySpan<byte> id) => "GPU-" + new Guid(id, bigEndian: true).ToString("D");
}
