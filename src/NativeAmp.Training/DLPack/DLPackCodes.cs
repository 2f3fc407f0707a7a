namespace NativeAmp.Training;

/// <summary>DLPack's numbers of devices and element types.</summary>
internal static class DLPackCodes
{
    public const int Cpu = 1;
    public const int Cuda = 2;
    public const int CudaHost = 3;
    public const int CudaManaged = 13;

    private static readonly Dictionary<int, string> s_devices = new()
    {
        [Cpu] = "CPU",
        [Cuda] = "CUDA",
        [CudaHost] = "pinned memory of CUDA",
        [4] = "OpenCL",
        [7] = "Vulkan",
        [8] = "Metal",
        [9] = "VPI",
        [10] = "ROCm",
        [11] = "pinned memory of ROCm",
        [12] = "an extension",
        [CudaManaged] = "managed memory of CUDA",
        [14] = "oneAPI",
        [15] = "WebGPU",
        [16] = "Hexagon",
        [17] = "MAIA",
        [18] = "Trainium",
    };

    private static readonly string[] s_types =
    [
        "int",
        "uint",
        "float",
        "opaque handle",
        "bfloat",
        "complex",
        "bool",
        "float8_e3m4",
        "float8_e4m3",
        "float8_e4m3b11fnuz",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float6_e2m3fn",
        "float6_e3m2fn",
        "float4_e2m1fn",
    ];

    private static readonly (DType DType, byte Code)[] s_dtypes =
    [
        (DType.Int32, 0),
        (DType.UInt8, 1),
        (DType.Float32, 2),
        (DType.Float16, 2),
        (DType.BFloat16, 4),
        (DType.Float8E4M3, 10),
        (DType.Float8E5M2, 12),
    ];

    /// <summary>The code and bits of a dtype. Each has one lane.</summary>
    public static (byte Code, byte Bits) Of(DType dtype) =>
        (Array.Find(s_dtypes, entry => entry.DType == dtype).Code, (byte)(8 * dtype.SizeInBytes()));

    /// <summary>The dtype of a code with this many bits; <see cref="DType.None"/> if there is none.</summary>
    public static DType DTypeOf(byte code, byte bits) =>
        Array.Find(s_dtypes, entry => entry.Code == code && 8 * entry.DType.SizeInBytes() == bits).DType;

    /// <summary>"float64", "complex128"; "float32 in vectors of 4".</summary>
    public static string NameOf(byte code, byte bits, ushort lanes)
    {
        string name = code < s_types.Length ? s_types[code] : $"type {code} of ";
        // The names of small floats have their bits in them.
        if (!name.Contains('_', StringComparison.Ordinal))
            name += bits;
        return lanes == 1 ? name : $"{name} in vectors of {lanes}";
    }

    /// <summary>"CUDA device 1".</summary>
    public static string NameOf(int deviceType, int deviceId) =>
        $"{s_devices.GetValueOrDefault(deviceType, $"a device of type {deviceType}")} {deviceId}";
}
