using System.Runtime.InteropServices;

namespace NativeAmp.TestSupport;

/// <summary>
/// A variable of the process's environment, as the native library sees it, while this lives: .NET keeps an environment
/// of its own, which getenv does not read.
/// </summary>
internal sealed partial class NativeVariable : IDisposable
{
    private readonly string _name;
    private readonly string? _before;

    public NativeVariable(string name, string value)
    {
        (_name, _before) = (name, Marshal.PtrToStringUTF8(Get(name)));
        _ = Set(name, value, overwrite: 1);
    }

    /// <summary>Sets one for good, unless it is set.</summary>
    public static void SetWhereUnset(string name, string value) => _ = Set(name, value, overwrite: 0);

    public void Dispose()
    {
        if (_before is null)
            _ = Unset(_name);
        else
            _ = Set(_name, _before, overwrite: 1);
    }

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Get(string name);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Set(string name, string value, int overwrite);

    [LibraryImport("libc", EntryPoint = "unsetenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unset(string name);
}
