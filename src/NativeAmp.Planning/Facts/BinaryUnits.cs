namespace NativeAmp.Planning;

/// <summary>Units of memory, in bytes.</summary>
internal static class BinaryUnits
{
    /// <summary>A mebibyte.</summary>
    public const double MiB = 1 << 20;

    /// <summary>A gibibyte.</summary>
    public const double GiB = 1 << 30;
}
