using System.Runtime.InteropServices;

namespace NativeAmp.Telemetry;

/// <summary>
/// NVIDIA's management library, loaded at run time. It comes with the driver. The environment variable
/// NATIVEAMP_NVML_LIBRARY names another library.
/// </summary>
internal sealed unsafe class NvmlLibrary : IDisposable
{
    private const int TextLength = 96; // NVML_DEVICE_UUID_V2_BUFFER_SIZE, and not less than the other texts need

    private readonly nint _library;

    private NvmlLibrary(nint library, string path) => (_library, Path) = (library, path);

    /// <summary>The path of the loaded library.</summary>
    public string Path { get; }

    /// <summary>Version of the driver; empty if it is unknown.</summary>
    public string DriverVersion { get; private set; } = "";

    /// <summary>Loads and initializes it.</summary>
    /// <param name="reason">Why it cannot be loaded.</param>
    /// <returns>The library, or null.</returns>
    public static NvmlLibrary? TryOpen(out string reason)
    {
        try
        {
            nint handle = NativeAmpRuntime.Open(VendorLibrary.Nvml);
            string path = NativeAmpRuntime.SearchFor(VendorLibrary.Nvml)[^1].Location;
            var library = new NvmlLibrary(handle, path);
            library.DriverVersion = library.Text("nvmlSystemGetDriverVersion") ?? "";
            reason = "";
            return library;
        }
        catch (NativeAmpException failure)
        {
            reason = failure.Message;
            return null;
        }
    }

    /// <summary>A device by its UUID.</summary>
    public NvmlReturn Find(string uuid, out nint device)
    {
        nint found = 0;
        NvmlReturn result;
        fixed (byte* text = System.Text.Encoding.ASCII.GetBytes(uuid + '\0'))
        {
            result = Function("nvmlDeviceGetHandleByUUID") is var function and not 0
                ? (NvmlReturn)((delegate* unmanaged[Cdecl]<byte*, nint*, int>)function)(text, &found)
                : NvmlReturn.FunctionNotFound;
        }

        device = found;
        return result;
    }

    /// <summary>A device by its number.</summary>
    public NvmlReturn Find(uint index, out nint device)
    {
        nint found = 0;
        NvmlReturn result = Function("nvmlDeviceGetHandleByIndex_v2") is var function and not 0
            ? (NvmlReturn)((delegate* unmanaged[Cdecl]<uint, nint*, int>)function)(index, &found)
            : NvmlReturn.FunctionNotFound;
        device = found;
        return result;
    }

    /// <summary>How many devices there are.</summary>
    public NvmlReturn Count(out uint count)
    {
        uint value = 0;
        NvmlReturn result = Function("nvmlDeviceGetCount_v2") is var function and not 0
            ? (NvmlReturn)((delegate* unmanaged[Cdecl]<uint*, int>)function)(&value)
            : NvmlReturn.FunctionNotFound;
        count = value;
        return result;
    }

    /// <summary>Calls a function that writes one value of a device.</summary>
    public NvmlReturn Get<T>(string name, nint device, out T value)
        where T : unmanaged
    {
        T read = default;
        NvmlReturn result = Function(name) is var function and not 0
            ? (NvmlReturn)((delegate* unmanaged[Cdecl]<nint, T*, int>)function)(device, &read)
            : NvmlReturn.FunctionNotFound;
        value = read;
        return result;
    }

    /// <summary>Calls a function that writes one value of a part of a device: a clock, a sensor.</summary>
    public NvmlReturn Get(string name, nint device, int part, out uint value)
    {
        uint read = 0;
        NvmlReturn result = Function(name) is var function and not 0
            ? (NvmlReturn)((delegate* unmanaged[Cdecl]<nint, int, uint*, int>)function)(device, part, &read)
            : NvmlReturn.FunctionNotFound;
        value = read;
        return result;
    }

    /// <summary>
    /// Reads the driver's own samples since a time. Without a buffer it returns the largest number of samples.
    /// </summary>
    public NvmlReturn GetSamples(
        nint device,
        NvmlSampling type,
        ulong since,
        out NvmlValueType valueType,
        ref uint count,
        NvmlSample* samples
    )
    {
        int kind = 0;
        uint number = count;
        NvmlReturn result = Function("nvmlDeviceGetSamples") is var function and not 0
            ? (NvmlReturn)
                ((delegate* unmanaged[Cdecl]<nint, int, ulong, int*, uint*, NvmlSample*, int>)function)(
                    device,
                    (int)type,
                    since,
                    &kind,
                    &number,
                    samples
                )
            : NvmlReturn.FunctionNotFound;
        (valueType, count) = ((NvmlValueType)kind, number);
        return result;
    }

    /// <summary>A text property of a device; null if there is none.</summary>
    public string? DeviceText(string name, nint device)
    {
        byte* text = stackalloc byte[TextLength];
        return
            Function(name) is var function and not 0
            && ((delegate* unmanaged[Cdecl]<nint, byte*, uint, int>)function)(device, text, TextLength) == 0
            ? Marshal.PtrToStringUTF8((nint)text)
            : null;
    }

    /// <summary>A result in the library's words, with its number.</summary>
    public string Describe(NvmlReturn result)
    {
        string? text = Function("nvmlErrorString") is var function and not 0
            ? Marshal.PtrToStringUTF8(((delegate* unmanaged[Cdecl]<int, nint>)function)((int)result))
            : null;
        return $"{text ?? "NVML error"} ({(int)result})";
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The library stays loaded, like libcuda: its threads must not outlive it.
        Call("nvmlShutdown");
    }

    private NvmlReturn Call(string name) =>
        Function(name) is var function and not 0
            ? (NvmlReturn)((delegate* unmanaged[Cdecl]<int>)function)()
            : NvmlReturn.FunctionNotFound;

    private string? Text(string name)
    {
        byte* text = stackalloc byte[TextLength];
        return
            Function(name) is var function and not 0
            && ((delegate* unmanaged[Cdecl]<byte*, uint, int>)function)(text, TextLength) == 0
            ? Marshal.PtrToStringUTF8((nint)text)
            : null;
    }

    // An old library lacks functions: that is a result like any other.
    private nint Function(string name) => NativeLibrary.TryGetExport(_library, name, out nint function) ? function : 0;
}
