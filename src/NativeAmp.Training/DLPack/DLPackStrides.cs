namespace NativeAmp.Training;

/// <summary>Strides, counted in elements as DLPack does.</summary>
internal static unsafe class DLPackStrides
{
    /// <summary>Writes the strides of a row-major array without gaps.</summary>
    public static void RowMajor(ReadOnlySpan<long> shape, Span<long> strides)
    {
        long stride = 1;
        for (int dimension = shape.Length - 1; dimension >= 0; dimension--)
        {
            strides[dimension] = stride;
            stride *= Math.Max(1, shape[dimension]);
        }
    }

    /// <summary>Whether elements are row-major without gaps. The strides of dimensions of one element do not
    /// matter.</summary>
    public static bool AreRowMajor(Shape shape, ReadOnlySpan<long> strides)
    {
        if (shape.Count == 0)
            return true;
        Span<long> expected = stackalloc long[strides.Length];
        RowMajor(shape.Dimensions, expected);
        for (int dimension = 0; dimension < strides.Length; dimension++)
        {
            if (shape[dimension] > 1 && strides[dimension] != expected[dimension])
                return false;
        }

        return true;
    }

    /// <summary>The lowest and the highest offset of an element, in elements.</summary>
    public static (Int128 Lowest, Int128 Highest) Extent(Shape shape, ReadOnlySpan<long> strides)
    {
        Int128 lowest = 0;
        Int128 highest = 0;
        for (int dimension = 0; dimension < strides.Length; dimension++)
        {
            Int128 last = (Int128)(shape[dimension] - 1) * strides[dimension];
            lowest += Int128.Min(0, last);
            highest += Int128.Max(0, last);
        }

        return (lowest, highest);
    }

    /// <summary>Copies elements with strides to a row-major array without gaps.</summary>
    /// <param name="source">The element of index 0.</param>
    /// <param name="destination">As many elements as the shape has.</param>
    /// <param name="shape">At least one dimension and one element.</param>
    /// <param name="strides">The source's.</param>
    /// <param name="size">Bytes of an element: 1, 2 or 4.</param>
    public static void Gather(void* source, void* destination, Shape shape, ReadOnlySpan<long> strides, int size)
    {
        switch (size)
        {
            case 1:
                Gather((byte*)source, (byte*)destination, shape.Dimensions, strides);
                break;
            case 2:
                Gather((ushort*)source, (ushort*)destination, shape.Dimensions, strides);
                break;
            case 4:
                Gather((uint*)source, (uint*)destination, shape.Dimensions, strides);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(size), size, "No dtype has elements of that size.");
        }
    }

    // Returns the place of the next element.
    private static T* Gather<T>(T* source, T* destination, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides)
        where T : unmanaged
    {
        for (long i = 0; i < shape[0]; i++)
        {
            if (shape.Length == 1)
                *destination++ = source[i * strides[0]];
            else
                destination = Gather(source + i * strides[0], destination, shape[1..], strides[1..]);
        }

        return destination;
    }
}
