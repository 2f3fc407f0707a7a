using System.Runtime.InteropServices;

namespace ManagedCuda;

/// <summary>A native library, by a variable of the process's environment or by its usual names.</summary>
internal sealed unsafe class NativeModule
{
    private readonly nint _handle;

    public NativeModule(string variable, params ReadOnlySpan<string> names)
    {
        if (Variable(variable) is { Length: > 0 } chosen)
        {
            _handle = NativeLibrary.Load(chosen);
            return;
        }
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out _handle))
                return;
        }
        throw new DllNotFoundException($"There is none of {string.Join(", ", names!)}.");
    }

    public nint Find(string name) => NativeLibrary.GetExport(_handle, name);

    // As native code sees it: .NET's copy of the environment does not have what a test has set.
    private static string? Variable(string name)
    {
        if (!NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "getenv", out nint get))
            return Environment.GetEnvironmentVariable(name);
        fixed (byte* utf8 = System.Text.Encoding.UTF8.GetBytes(name + '\0'))
            return Marshal.PtrToStringUTF8(((delegate* unmanaged<byte*, nint>)get)(utf8));
    }
}
