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
    // nampemu_kind
    private const int Leak = 9;

    private static readonly string Folder = Path.Combine(
        typeof(EmulatedGpu)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "RepositoryRoot")
            .Value!,
        "artifacts",
        "gpu-emulator"
    );

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

    /// <summary>Findings of the checkers since the last call, one text each.</summary>
    /// <param name="leaks">False leaves out objects that were alive when their context was released.</param>
    public static IReadOnlyList<string> TakeFindings(bool leaks = true)
    {
        var findings = new List<string>();
        for (nuint i = 0; i < ((delegate* unmanaged<nuint>)Export("nampemu_findings"))(); i++)
        {
            if (!leaks && ((delegate* unmanaged<nuint, int>)Export("nampemu_finding_kind"))(i) == Leak)
                continue;
            findings.Add(Text(((delegate* unmanaged<nuint, nint>)Export("nampemu_finding_text"))(i)));
        }
        ((delegate* unmanaged<void>)Export("nampemu_reset_findings"))();
        return findings;
    }

    /// <summary>Adds a finding, as a checker would.</summary>
    public static void Report(int kind, string text)
    {
        fixed (byte* utf8 = Utf8(text))
            ((delegate* unmanaged<int, byte*, void>)Export("nampemu_report"))(kind, utf8);
    }

    /// <summary>Zeroes the counters.</summary>
    public static void ResetCounters() => ((delegate* unmanaged<void>)Export("nampemu_reset_counters"))();

    /// <summary>The counters since <see cref="ResetCounters"/>.</summary>
    public static EmulatorCounters Counters
    {
        get
        {
            EmulatorCounters counters = default;
            ((delegate* unmanaged<EmulatorCounters*, nuint, void>)Export("nampemu_get_counters"))(
                &counters,
                (nuint)sizeof(EmulatorCounters)
            );
            return counters;
        }
    }

    /// <summary>
    /// Driver and cuBLAS functions called since <see cref="ResetCounters"/>, by name without _v2, and how often.
    /// </summary>
    public static IReadOnlyDictionary<string, long> Calls()
    {
        var calls = new SortedDictionary<string, long>(StringComparer.Ordinal);
        for (
            nuint i = 0;
            ((delegate* unmanaged<nuint, nint>)Export("nampemu_called_function"))(i) is var name and not 0;
            i++
        )
            calls.Add(Text(name), (long)((delegate* unmanaged<nint, ulong>)Export("nampemu_calls_of"))(name));
        return calls;
    }

    /// <summary>Makes the nth call of a function from now do nothing and return an error.</summary>
    public static void Fail(string function, long nth, int result)
    {
        fixed (byte* utf8 = Utf8(function))
        {
            int unknown = ((delegate* unmanaged<byte*, ulong, int, int>)Export("nampemu_fail"))(
                utf8,
                (ulong)nth,
                result
            );
            if (unknown != 0)
                throw new ArgumentException($"The emulated GPU has no function {function}.", nameof(function));
        }
    }

    /// <summary>Cancels failures of <see cref="Fail"/> that have not happened yet.</summary>
    public static void FailNone() => ((delegate* unmanaged<void>)Export("nampemu_fail_none"))();

    /// <summary>Device memory, modules, streams and events that are alive.</summary>
    public static (ulong Allocations, ulong Modules, ulong Streams, ulong Events) Alive() =>
        (
            Count("nampemu_live_allocations"),
            Count("nampemu_live_modules"),
            Count("nampemu_live_streams"),
            Count("nampemu_live_events")
        );

    /// <summary>Destroys the device's context, even if it is still in use, and everything in it.</summary>
    public static void ResetDevice() => ((delegate* unmanaged<int, int>)Export("cuDevicePrimaryCtxReset_v2"))(0);

    /// <summary>A function of the emulated driver, for a test that calls the driver by itself.</summary>
    public static nint Export(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static ulong Count(string name) => ((delegate* unmanaged<nuint>)Export(name))();

    private static string Text(nint utf8) => Marshal.PtrToStringUTF8(utf8) ?? "";

    private static byte[] Utf8(string text) => System.Text.Encoding.UTF8.GetBytes(text + '\0');

    [ModuleInitializer]
    internal static void Choose()
    {
        if (OwnIsAskedFor || !File.Exists(Driver))
            return;
        NativeVariable.SetWhereUnset("NATIVEAMP_CUDA_LIBRARY", Driver);
        NativeVariable.SetWhereUnset("NATIVEAMP_CUBLAS_LIBRARY", Cublas);
        NativeVariable.SetWhereUnset("NAMPEMU_QUIET", "1"); // a failed test tells
        IsChosen = (Environment.GetEnvironmentVariable("NATIVEAMP_CUDA_LIBRARY") ?? Driver) == Driver;
    }
}
