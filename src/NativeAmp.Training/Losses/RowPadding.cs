namespace NativeAmp.Training;

/// <summary>
/// Numbers of rows and columns of half-precision matrices that begin at multiples of 16 bytes. Libraries' products, and
/// ours, load and store so; with rows at other places they took six times as long on an H200 (docs/h100.md).
/// </summary>
internal static class RowPadding
{
    /// <summary>Elements of 16 bytes.</summary>
    public const int Multiple = 8;

    /// <summary>The next multiple.</summary>
    public static long Of(long count) => (count + Multiple - 1) / Multiple * Multiple;
}
