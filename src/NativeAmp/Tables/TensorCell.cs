using System.Runtime.InteropServices;

namespace NativeAmp;

/// <summary>
/// A device pointer to elements, their type, and the scale of an 8-bit type. The default value is no tensor.
/// </summary>
/// <remarks>Laid out as the native <c>namp_cell</c>, so that a span of these is a column of a table.</remarks>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct TensorCell
{
    private readonly nint _pointer;
    private readonly nint _scalePointer;
    private readonly DType _dtype;
    private readonly int _reserved;

    /// <summary>A cell.</summary>
    /// <param name="pointer">Device pointer to the first element, aligned to it.</param>
    /// <param name="dtype">Type of the elements.</param>
    /// <param name="scalePointer">Device pointer to one float32: a code's value is multiplied by it. 0 for a scale of
    /// 1. Only for the 8-bit types. Codes in blocks need it: it points to a scale for each of
    /// <see cref="DTypes.Blocks"/>.</param>
    public TensorCell(nint pointer, DType dtype, nint scalePointer = 0)
    {
        _pointer = pointer;
        _scalePointer = scalePointer;
        _dtype = dtype;
        _reserved = 0;
    }

    /// <summary>Device pointer to the first element; 0 for no tensor.</summary>
    public nint Pointer => _pointer;

    /// <summary>Type of the elements.</summary>
    public DType DType => _dtype;

    /// <summary>Device pointer to the scale; 0 for none.</summary>
    public nint ScalePointer => _scalePointer;
}
