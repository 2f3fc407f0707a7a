using System.Runtime.InteropServices;

namespace NativeAmp.Interop;

internal static unsafe partial class NativeMethods
{
    // Before the first call of any function here, whichever it is.
    static NativeMethods() =>
        NativeLibrary.SetDllImportResolver(
            typeof(NativeMethods).Assembly,
            static (name, _, _) => name == Library ? NativeLibraryLoader.Handle : 0
        );
}
