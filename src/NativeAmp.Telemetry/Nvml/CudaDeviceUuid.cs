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
        reason = "";
        foreach (string path in Candidates())
        {
            if (!NativeLibrary.TryLoad(path, out nint library))
                continue;
            if (
                !NativeLibrary.TryGetExport(library, "cuDeviceGet", out nint get)
                || !NativeLibrary.TryGetExport(library, "cuDeviceGetUuid", out nint uuid)
            )
            {
                reason = $"{path} has no cuDeviceGetUuid";
                return null;
            }

            int device;
            byte* id = stackalloc byte[Bytes];
            int result = ((delegate* unmanaged<int*, int, int>)get)(&device, ordinal);
            if (result == 0)
                result = ((delegate* unmanaged<byte*, int, int>)uuid)(id, device);
            if (result == 0)
                return Format(new ReadOnlySpan<byte>(id, Bytes));
            reason = $"the CUDA driver does not give the UUID of device {ordinal} (error {result})";
            return null;
        }

        reason = "the CUDA driver was not found again";
        return null;
    }

    /// <summary>Formats the UUID as "GPU-" and the bytes in five groups.</summary>
    private static string Format(ReadOnlySpan<byte> id) => "GPU-" + new Guid(id, bigEndian: true).ToString("D");

    private static string[] Candidates() =>
        Environment.GetEnvironmentVariable("NATIVEAMP_CUDA_LIBRARY") is { Length: > 0 } named ? [named]
        : OperatingSystem.IsWindows() ? ["nvcuda.dll"]
        : ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"];
}
