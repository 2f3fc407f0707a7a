using System.Globalization;
using System.Runtime.CompilerServices;

namespace NativeAmp.Training;

/// <summary>The sizes of a tensor's dimensions, outermost first. A scalar has none.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>
{
    private readonly long[]? _dimensions;
    private readonly long _count;

    /// <summary>A shape of these dimensions.</summary>
    /// <exception cref="ArgumentException">A dimension is negative, or the number of elements does not fit in 63
    /// bits.</exception>
    public Shape(params ReadOnlySpan<long> dimensions)
    {
        long count = 1;
        foreach (long dimension in dimensions)
        {
            if (dimension < 0)
                throw new ArgumentException(
                    $"A dimension cannot be negative: {Format(dimensions)}.",
                    nameof(dimensions)
                );
            try
            {
                count = checked(count * dimension);
            }
            catch (OverflowException)
            {
                throw new ArgumentException(
                    $"{Format(dimensions)} has more elements than 63 bits count.",
                    nameof(dimensions)
                );
            }
        }

        _dimensions = dimensions.ToArray();
        _count = count;
    }

    /// <summary>The shape of a scalar: no dimensions, one element.</summary>
    public static Shape Scalar { get; } = new([]);

    /// <summary>Number of dimensions.</summary>
    public int Rank => _dimensions?.Length ?? 0;

    /// <summary>Number of elements: the product of the dimensions.</summary>
    public long Count => _dimensions is null ? 1 : _count;

    /// <summary>The dimensions.</summary>
    public ReadOnlySpan<long> Dimensions => _dimensions;

    /// <summary>A dimension; negative or from-the-end indices count from the innermost (-1).</summary>
    public long this[int index]
    {
        get
        {
            int at = index < 0 ? index + Rank : index;
            if (at < 0 || at >= Rank)
                throw new ArgumentOutOfRangeException(nameof(index), index, $"{this} has {Rank} dimensions.");
            return _dimensions![at];
        }
    }

    /// <summary>Builds a shape from a collection expression.</summary>
    public static Shape Create(ReadOnlySpan<long> dimensions) => new(dimensions);

    /// <summary>Enumerates the dimensions.</summary>
    public ReadOnlySpan<long>.Enumerator GetEnumerator() => Dimensions.GetEnumerator();

    /// <summary>The shape with its last dimension replaced.</summary>
    internal Shape WithLast(long last)
    {
        long[] dimensions = Dimensions.ToArray();
        dimensions[^1] = last;
        return new Shape(dimensions);
    }

    /// <summary>Whether this shape's dimensions are the innermost ones of another shape, as those of a bias.</summary>
    internal bool IsSuffixOf(Shape other) =>
        Rank <= other.Rank && Dimensions.SequenceEqual(other.Dimensions[(other.Rank - Rank)..]);

    /// <inheritdoc/>
    public bool Equals(Shape other) => Dimensions.SequenceEqual(other.Dimensions);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (long dimension in Dimensions)
            hash.Add(dimension);
        return hash.ToHashCode();
    }

    /// <summary>The dimensions in brackets, such as "[16, 128, 256]".</summary>
    public override string ToString() => Format(Dimensions);

    /// <summary>Whether two shapes have the same dimensions.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    private static string Format(ReadOnlySpan<long> dimensions)
    {
        var parts = new string[dimensions.Length];
        for (int i = 0; i < parts.Length; i++)
            parts[i] = dimensions[i].ToString(CultureInfo.InvariantCulture);
        return $"[{string.Join(", ", parts)}]";
    }
}
