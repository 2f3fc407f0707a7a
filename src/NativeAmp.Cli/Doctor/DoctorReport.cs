using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using NativeAmp.Planning;
using NativeAmp.Telemetry;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Doctor;

/// <summary>One thing that doctor looks for.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Found">Whether it is there.</param>
/// <param name="Detail">Details of what was found, or why it was not found.</param>
/// <param name="Meaning">The consequence for the user.</param>
/// <param name="Tried">The places where a library of others was looked for, and why it was not taken from there;
/// null if none was looked for.</param>
internal sealed record Finding(
    string Name,
    bool Found,
    string Detail,
    string Meaning,
    IReadOnlyList<NativeLibraryAttempt>? Tried = null
);

/// <summary>The findings of nativeamp doctor.</summary>
/// <param name="Ok">Whether training works here.</param>
/// <param name="Findings">The findings, each after those that it depends on.</param>
internal sealed record DoctorReport(bool Ok, IReadOnlyList<Finding> Findings)
{
    // The CUDA backend's list of libraries has this text if cuBLAS is missing.
    private const string NoCublas = "no cuBLAS";

    // And the CPU's, if oneDNN is missing.
    private const string NoOneDnn = "no oneDNN";

    /// <summary>Examines the machine.</summary>
    public static DoctorReport Examine()
    {
        List<Finding> findings = [System(), Cpu()];
        NativeLibraryStatus library = NativeAmpRuntime.Status;
        findings.Add(
            library.IsLoaded
                ? new("native library", true, $"version {library.Version} from {library.Path}", "Kernels run.")
                : new("native library", false, library.ToString(), "Nothing can be computed.")
        );
        if (library.IsLoaded)
        {
            findings.AddRange(CpuBackend());
            findings.AddRange(Cuda());
        }

        findings.AddRange(Telemetry());
        findings.Add(DataSet());
        return new DoctorReport(library.IsLoaded, findings);
    }

    private static Finding System() =>
        new(
            "system",
            true,
            $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, "
                + $"{RuntimeInformation.FrameworkDescription}",
            $"{Environment.ProcessorCount} processors, {Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)} of "
                + "memory for .NET."
        );

    private static Finding Cpu()
    {
        string[] sets =
        [
            .. Named(X86Base.IsSupported, "SSE2"),
            .. Named(Avx2.IsSupported, "AVX2"),
            .. Named(Avx512F.IsSupported, "AVX-512"),
            .. Named(AdvSimd.IsSupported, "NEON"),
        ];
        return new(
            "instruction sets",
            sets.Length > 0,
            string.Join(", ", sets),
            "The best that the kernels know is chosen when a device is opened."
        );

        static string[] Named(bool supported, string name) => supported ? [name] : [];
    }

    private static IEnumerable<Finding> CpuBackend()
    {
        using Device device = Device.Cpu();
        DeviceInfo info = device.Info;
        yield return new(
            "cpu device",
            true,
            $"{info.Name}, {info.Threads} threads, SIMD {info.Simd}, {Bytes(info.MemoryFree)} of "
                + $"{Bytes(info.MemoryTotal)} memory free",
            "Cast, scale, check and Adam give the same bits on any number of threads."
        );
        bool oneDnn = !info.Libraries.StartsWith(NoOneDnn, StringComparison.Ordinal);
        yield return new(
            "oneDNN",
            oneDnn,
            info.Libraries,
            oneDnn
                ? "Matrix products and convolutions run at the machine's speed."
                : "The built-in loops compute matrix products: correct, but slower. Install oneDNN 2 or 3 (Debian: "
                    + "libdnnl2 or libdnnl3.6).",
            NativeAmpRuntime.SearchFor(VendorLibrary.OneDnn)
        );
        yield return new(
            "threads",
            true,
            $"{info.Threads}: {info.ThreadsReason}",
            "--threads and OMP_NUM_THREADS say how many."
        );
    }

    private static IEnumerable<Finding> Cuda()
    {
        DeviceAvailability cuda = Device.Available(DeviceKind.Cuda);
        IReadOnlyList<NativeLibraryAttempt> tried = NativeAmpRuntime.SearchFor(VendorLibrary.Cuda);
        yield return cuda.Count > 0
            ? new("cuda", true, $"{cuda.Count} device(s)", "--device auto takes the first that opens.", tried)
            : new("cuda", false, cuda.Reason, "--device auto takes the CPU.", tried);
        DeviceInfo? first = null;
        for (int ordinal = 0; ordinal < cuda.Count; ordinal++)
        {
            (Finding finding, DeviceInfo? info) = CudaDevice(ordinal);
            first ??= info;
            yield return finding;
        }

        if (first is null)
            yield break;
        bool hasCublas = !first.Libraries.Contains(NoCublas, StringComparison.Ordinal);
        int cublas = first.Libraries.LastIndexOf(hasCublas ? ", cuBLAS " : ", " + NoCublas, StringComparison.Ordinal);
        yield return new(
            "cuda driver",
            true,
            first.Libraries[..cublas],
            "Kernels are embedded: no CUDA toolkit is needed."
        );
        yield return new(
            "cuBLAS",
            hasCublas,
            first.Libraries[(cublas + 2)..],
            hasCublas
                ? "Matrix products run on tensor cores."
                : "A kernel of our own computes matrix products: correct, without tensor cores. Install cuBLAS 11 or "
                    + "newer.",
            NativeAmpRuntime.SearchFor(VendorLibrary.Cublas)
        );
    }

    /// <summary>Opens a device and loads a kernel there, so that a device that is found also works.</summary>
    private static (Finding Finding, DeviceInfo? Info) CudaDevice(int ordinal)
    {
        string name = $"cuda device {ordinal}";
        try
        {
            using Device device = Device.Cuda(ordinal);
            DeviceInfo info = device.Info;
            return (
                new(
                    name,
                    true,
                    $"{info.Name}, compute capability {info.ComputeCapability}, {info.Multiprocessors} "
                        + $"multiprocessors, {Bytes(info.MemoryFree)} of {Bytes(info.MemoryTotal)} memory free",
                    "Cast, scale, check and Adam give the CPU's bits."
                ),
                info
            );
        }
        catch (NativeAmpException e)
        {
            return (new(name, false, e.Message, "It cannot be used: take --device cpu."), null);
        }
    }

    private static IEnumerable<Finding> Telemetry()
    {
        IReadOnlyList<GpuTelemetry> gpus = GpuTelemetry.All();
        foreach (GpuTelemetry gpu in gpus)
        {
            using (gpu)
                yield return new(
                    $"telemetry of {gpu.Name}",
                    gpu.IsAvailable,
                    gpu.Description,
                    gpu.IsAvailable
                        ? "--telemetry samples power, energy, memory, utilization, temperature and clocks."
                        : "--telemetry has no figures of a GPU.",
                    NativeAmpRuntime.Status.IsLoaded ? NativeAmpRuntime.SearchFor(VendorLibrary.Nvml) : null
                );
        }

        bool energy = CpuTelemetry.HasEnergy(out string detail);
        yield return new(
            "telemetry of cpu energy",
            energy,
            detail,
            energy ? "--telemetry counts the processors' energy." : "--telemetry has no joules of the processors."
        );
    }

    private static Finding DataSet()
    {
        string folder = FashionMnist.ResolveDirectory();
        try
        {
            (ImageDataset train, ImageDataset test) = FashionMnist.Load();
            return new(
                "fashion-mnist",
                true,
                $"{train.Count} training and {test.Count} test images in {folder}",
                "nativeamp train works as it is."
            );
        }
        catch (Exception e) when (e is IOException or DataFormatException or UnauthorizedAccessException)
        {
            return new("fashion-mnist", false, e.Message, "--model cnn and mlp need it; gpt takes any text.");
        }
    }

    private static string Bytes(long bytes) => FormattableString.Invariant($"{bytes / BinaryUnits.GiB:0.0} GiB");
}
