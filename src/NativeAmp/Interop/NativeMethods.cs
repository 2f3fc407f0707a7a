using System.Runtime.InteropServices;

namespace NativeAmp.Interop;

internal static unsafe partial class NativeMethods
{
    // Runs before the first call of any function here.
    static NativeMethods() =>
        NativeLibrary.SetDllImportResolver(
            typeof(NativeMethods).Assembly,
            static (name, _, _) => name == Library ? NativeLibraryLoader.Handle : 0
        );
}
