using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeAmp.TestSupport;

/// <summary>
/// The emulated GPU for tests (tests/gpu-emulator/include/nampemu.h): findings of its checkers, counters, injected
/// failures. It is chosen for the process before anything looks for a driver, if CMake has built it and
/// NATIVEAMP_TEST_GPU does not request the machine's own GPU.
/// </summary>
internal static unsafe class EmulatedGpu
{
    private static readonly string Folder = Path.Combine(BuiltWith("RepositoryRoot")!, "artifacts", "gpu-emulator");

    /// <summary>The emulated libcuda.</summary>
    public static string Driver { get; } = Path.Combine(Folder, "libnativeamp-emulated-cuda.so");

    /// <summary>The stand-in cuBLAS.</summary>
    public static string Cublas { get; } = Path.Combine(Folder, "libnativeamp-emulated-cublas.so");

    private static readonly Lazy<nint> Library = new(() => NativeLibrary.Load(Driver));

    /// <summary>Whether to test the machine's own GPU: <c>./build.sh test --gpu</c>.</summary>
    public static bool OwnIsAskedFor => Environment.GetEnvironmentVariable("NATIVEAMP_TEST_GPU") == "1";

    /// <summary>Whether the GPU of this process is the emulated one.</summary>
    public static bool IsChosen { get; private set; }

    /// <summary>Skips a test that needs the emulated GPU: to count, or to fail on demand.</summary>
    public static void Require()
    {
        if (!IsChosen)
            Assert.Ignore("Only the emulated GPU counts calls and fails on demand: tests/gpu-emulator.");
    }

    /// <summary>Findings of the checkers since the last call, one text each; of another GPU there are none.</summary>
    /// <param name="leaks">False leaves out objects that were alive when their context was released.</param>
    public static IReadOnlyList<string> TakeFindings(bool leaks = true)
    {
        if (!IsChosen)
            return [];
        var findings = new List<string>();
        for (nuint i = 0; i < EmulatorMethods.Findings(); i++)
        {
            if (!leaks && EmulatorMethods.FindingKind(i) == NampemuKind.Leak)
                continue;
            findings.Add(Text(EmulatorMethods.FindingText(i)));
        }
        EmulatorMethods.ResetFindings();
        return findings;
    }

    /// <summary>Adds a finding, as a checker would.</summary>
    public static void Report(NampemuKind kind, string text)
    {
        fixed (byte* utf8 = Utf8(text))
            EmulatorMethods.Report(kind, utf8);
    }

    /// <summary>Zeroes the counters.</summary>
    public static void ResetCounters() => EmulatorMethods.ResetCounters();

    /// <summary>The counters since <see cref="ResetCounters"/>.</summary>
    public static NampemuCounters Counters
    {
        get
        {
            NampemuCounters counters = default;
            EmulatorMethods.GetCounters(&counters, (nuint)sizeof(NampemuCounters));
            return counters;
        }
    }

    /// <summary>
    /// Driver and cuBLAS functions called since <see cref="ResetCounters"/>, by name without _v2, and how often.
    /// </summary>
    public static IReadOnlyDictionary<string, long> Calls()
    {
        var calls = new SortedDictionary<string, long>(StringComparer.Ordinal);
        byte* name;
        for (nuint i = 0; (name = EmulatorMethods.CalledFunction(i)) is not null; i++)
            calls.Add(Text(name), (long)EmulatorMethods.CallsOf(name));
        return calls;
    }

    /// <summary>Launches of the kernels whose name contains a text, since <see cref="ResetCounters"/>.</summary>
    public static ulong LaunchesOf(string namePart)
    {
        fixed (byte* utf8 = Utf8(namePart))
            return EmulatorMethods.LaunchesOf(utf8);
    }

    /// <summary>What a GPU does meanwhile: the lines of its record (nampemu_record), in their order.</summary>
    public static string[] Record(Action work)
    {
        string file = Path.GetTempFileName();
        fixed (byte* utf8 = Utf8(file))
        {
            if (EmulatorMethods.Record(utf8, 0) != 0)
                throw new IOException($"{file} cannot be written.");
        }

        try
        {
            work();
        }
        finally
        {
            _ = EmulatorMethods.Record(null, 0);
        }

        string[] lines = File.ReadAllLines(file);
        File.Delete(file);
        return lines;
    }

    /// <summary>Makes the nth call of a function from now do nothing and return an error.</summary>
    public static void Fail(string function, long nth, int result)
    {
        fixed (byte* utf8 = Utf8(function))
        {
            if (EmulatorMethods.Fail(utf8, (ulong)nth, result) != 0)
                throw new ArgumentException($"The emulated GPU has no function {function}.", nameof(function));
        }
    }

    /// <summary>
    /// Cancels failures of <see cref="Fail"/> that have not happened yet; of a test that <see cref="Require"/> skipped
    /// there are none.
    /// </summary>
    public static void FailNone()
    {
        if (IsChosen)
            EmulatorMethods.FailNone();
    }

    /// <summary>Device memory, modules, streams and events that are alive.</summary>
    public static (ulong Allocations, ulong Modules, ulong Streams, ulong Events) Alive() =>
        (
            EmulatorMethods.LiveAllocations(),
            EmulatorMethods.LiveModules(),
            EmulatorMethods.LiveStreams(),
            EmulatorMethods.LiveEvents()
        );

    /// <summary>Destroys the device's context, even if it is still in use, and everything in it.</summary>
    public static void ResetDevice() => ((delegate* unmanaged<int, int>)Export("cuDevicePrimaryCtxReset_v2"))(0);

    /// <summary>A function of the emulated driver, for a test that calls the driver by itself.</summary>
    public static nint Export(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8) ?? "";

    // tests/Directory.Build.props
    private static string? BuiltWith(string key) =>
        typeof(EmulatedGpu)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .SingleOrDefault(a => a.Key == key)
            ?.Value;

    private static byte[] Utf8(string text) => System.Text.Encoding.UTF8.GetBytes(text + '\0');

    [ModuleInitializer]
    internal static void Choose()
    {
        NativeLibrary.SetDllImportResolver(
            typeof(EmulatedGpu).Assembly,
            (name, _, _) => name == EmulatorMethods.Library ? Library.Value : 0
        );
        // It is built for this machine alone, and would not load elsewhere.
        if (OwnIsAskedFor || BuiltWith("OtherSystem") is not null || !File.Exists(Driver))
            return;
        NativeVariable.SetWhereUnset("NATIVEAMP_CUDA_LIBRARY", Driver);
        NativeVariable.SetWhereUnset("NATIVEAMP_CUBLAS_LIBRARY", Cublas);
        NativeVariable.SetWhereUnset("NAMPEMU_QUIET", "1"); // a failed test tells
        IsChosen = (Environment.GetEnvironmentVariable("NATIVEAMP_CUDA_LIBRARY") ?? Driver) == Driver;
    }
}
