using System.Runtime.InteropServices;

namespace NativeAmp;

/// <summary>A device pointer and the type of what it points at. The default value is no tensor.</summary>
/// <remarks>Laid out as the native <c>namp_cell</c>, so that a span of these is a column of a table.</remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct TensorCell
{
    private readonly nint _pointer;
    private readonly DType _dtype;
    private readonly int _reserved;

    /// <summary>A cell.</summary>
    /// <param name="pointer">Device pointer to the first element, aligned to it.</param>
    /// <param name="dtype">Type of the elements.</param>
    public TensorCell(nint pointer, DType dtype)
    {
        _pointer = pointer;
        _dtype = dtype;
        _reserved = 0;
    }

    /// <summary>Device pointer to the first element; 0 for no tensor.</summary>
    public nint Pointer => _pointer;

    /// <summary>Type of the elements.</summary>
    public DType DType => _dtype;
}
