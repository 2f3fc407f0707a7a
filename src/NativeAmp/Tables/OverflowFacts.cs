using System.Runtime.InteropServices;

namespace NativeAmp;

/// <summary>The findings of a check of one tensor's gradient, which is still scaled.</summary>
/// <remarks>Laid out as the native <c>namp_overflow_facts</c>.</remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct OverflowFacts
{
    private readonly long _nonFiniteCount;
    private readonly long _firstNonFiniteIndex;
    private readonly float _largestMagnitude;
    private readonly int _reserved;

    /// <summary>Number of elements that are infinite or NaN.</summary>
    public long NonFiniteCount => _nonFiniteCount;

    /// <summary>Index of the first such element, or -1.</summary>
    public long FirstNonFiniteIndex => _firstNonFiniteIndex;

    /// <summary>Largest magnitude of the finite elements; 0 if there are none.</summary>
    public float LargestMagnitude => _largestMagnitude;
}
