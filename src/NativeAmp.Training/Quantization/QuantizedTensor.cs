using System.Collections.Immutable;

namespace NativeAmp.Training.Quantization;

/// <summary>
/// A weight as integers with scales, in host memory: the one form that layers compute with and that files are written
/// from. A value is (code − zero point) · scale. Rows are the outermost dimension; all others together are columns.
/// </summary>
/// <remarks>
/// With 8 bits a code is a signed byte, zero point 0, one a column: [rows, columns]. With 4 bits a code is 0 to 15,
/// zero point 8, and two share a byte, the earlier column in the low half: [rows, groups, group / 2], as ONNX's
/// MatMulNBits lays out its weights. A row whose columns do not fill the last group has codes after its end, which are
/// 8.
/// </remarks>
public sealed class QuantizedTensor
{
    /// <summary>The zero point of codes of 4 bits.</summary>
    public const int Int4ZeroPoint = 8;

    /// <summary>A tensor of these codes and scales.</summary>
    /// <param name="shape">Sizes, outermost first; rank 2 or more, and nothing of them is 0.</param>
    /// <param name="bits">8 or 4.</param>
    /// <param name="group">Columns that share a scale: 32, 64, 128 or 256 with 4 bits; 0, for one scale a row, with
    /// 8.</param>
    /// <param name="codes">In the layout that the class describes.</param>
    /// <param name="scales">[rows, groups].</param>
    /// <exception cref="ArgumentException">The sizes do not fit each other.</exception>
    public QuantizedTensor(Shape shape, int bits, int group, ImmutableArray<byte> codes, ImmutableArray<float> scales)
    {
        if (shape.Rank < 2 || shape.Count == 0)
            throw new ArgumentException($"Shape {shape} has no rows and columns.", nameof(shape));
        CheckGroup(bits, group);
        Shape = shape;
        Bits = bits;
        Group = group;
        Rows = shape[0];
        Columns = shape.Count / shape[0];
        Groups = group == 0 ? 1 : (Columns + group - 1) / group;
        if (codes.IsDefault || codes.Length != CodeCount(shape, bits, group))
            throw new ArgumentException(
                $"{(codes.IsDefault ? 0 : codes.Length)} bytes of codes; {shape} with {bits} bits and groups of {group} "
                    + $"needs {CodeCount(shape, bits, group)}.",
                nameof(codes)
            );
        if (scales.IsDefault || scales.Length != Rows * Groups)
            throw new ArgumentException(
                $"{(scales.IsDefault ? 0 : scales.Length)} scales; {Rows} rows of {Groups} groups need {Rows * Groups}.",
                nameof(scales)
            );
        Codes = codes;
        Scales = scales;
    }

    /// <summary>Sizes of the weight, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Bits of a code: 8 or 4.</summary>
    public int Bits { get; }

    /// <summary>Columns that share a scale; 0 if a row has one.</summary>
    public int Group { get; }

    /// <summary>The outermost dimension.</summary>
    public long Rows { get; }

    /// <summary>All other dimensions together.</summary>
    public long Columns { get; }

    /// <summary>Scales of a row.</summary>
    public long Groups { get; }

    /// <summary>The codes, as the class describes.</summary>
    public ImmutableArray<byte> Codes { get; }

    /// <summary>[rows, groups].</summary>
    public ImmutableArray<float> Scales { get; }

    /// <summary>Bytes of codes and scales.</summary>
    public long ByteLength => Codes.Length + (long)Scales.Length * sizeof(float);

    /// <summary>The code of an element without its zero point: −127 to 127, or −8 to 7.</summary>
    /// <param name="row">0 to rows − 1.</param>
    /// <param name="column">0 to columns − 1.</param>
    public int Level(long row, long column)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfNegative(column);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(column, Columns);
        if (Bits == 8)
            return (sbyte)Codes[(int)(row * Columns + column)];
        byte pair = Codes[(int)((row * Groups * Group + column) / 2)];
        return (column % 2 == 0 ? pair & 15 : pair >> 4) - Int4ZeroPoint;
    }

    /// <summary>The values, row by row.</summary>
    public float[] Dequantize()
    {
        float[] values = new float[Rows * Columns];
        for (long row = 0, i = 0; row < Rows; row++)
        {
            for (long column = 0; column < Columns; column++, i++)
                values[i] = Level(row, column) * Scales[(int)(row * Groups + (Group == 0 ? 0 : column / Group))];
        }

        return values;
    }

    /// <summary>Bytes that the codes of a shape take.</summary>
    internal static long CodeCount(Shape shape, int bits, int group)
    {
        long columns = shape.Count / shape[0];
        return bits == 8 ? shape.Count : shape[0] * ((columns + group - 1) / group) * (group / 2);
    }

    internal static void CheckGroup(int bits, int group)
    {
        if (bits is not (4 or 8))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "A code has 4 or 8 bits.");
        if (bits == 8 && group != 0)
            throw new ArgumentOutOfRangeException(nameof(group), group, "With 8 bits a row has one scale: group 0.");
        if (bits == 4 && group is not (32 or 64 or 128 or 256))
            throw new ArgumentOutOfRangeException(nameof(group), group, "A group has 32, 64, 128 or 256 columns.");
    }
}
