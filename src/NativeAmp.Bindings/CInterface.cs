namespace NativeAmp.Bindings;

/// <summary>A C header, and the place and names of its C# side.</summary>
internal sealed record CInterface
{
    /// <summary>The product's: fixed-width types alone, and operators that also get a wrapper.</summary>
    public static CInterface NativeAmp { get; } =
        new()
        {
            Prefix = "namp_",
            Header = "native/include/nativeamp.h",
            Output = "src/NativeAmp/Interop/NativeMethods.g.cs",
            Namespace = "NativeAmp.Interop",
            Class = "NativeMethods",
            Library = "nativeamp",
            Summary = "The C interface of the native library, function by function.",
            IsProduct = true,
        };

    /// <summary>The emulated GPU's, for tests: a C header as others are, with int, size_t and callbacks.</summary>
    public static CInterface EmulatedGpu { get; } =
        new()
        {
            Prefix = "nampemu_",
            Header = "tests/gpu-emulator/include/nampemu.h",
            Output = "tests/Support/EmulatorMethods.g.cs",
            Namespace = "NativeAmp.TestSupport",
            Class = "EmulatorMethods",
            Library = "nativeamp-emulated-cuda",
            Summary = "The emulated GPU's own functions, beside those of the driver.",
        };

    /// <summary>Every interface that has bindings.</summary>
    public static IReadOnlyList<CInterface> All { get; } = [NativeAmp, EmulatedGpu];

    /// <summary>The beginning of each name of the interface; other names of the header are left out.</summary>
    public required string Prefix { get; init; }

    /// <summary>The header, from the root of the source tree.</summary>
    public required string Header { get; init; }

    /// <summary>The generated file, from the root of the source tree.</summary>
    public required string Output { get; init; }

    /// <summary>The namespace of the generated types.</summary>
    public required string Namespace { get; init; }

    /// <summary>The class of the functions.</summary>
    public required string Class { get; init; }

    /// <summary>The library's name, which a resolver of the assembly turns into a file.</summary>
    public required string Library { get; init; }

    /// <summary>The documentation of the class.</summary>
    public required string Summary { get; init; }

    /// <summary>
    /// Whether types must have one width everywhere, and constants, sizes and operators are written as well.
    /// </summary>
    public bool IsProduct { get; init; }
}
