namespace NativeAmp.Training.Quantization;

/// <summary>
/// GPTQ (Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"):
/// columns are rounded one after the other, and the error of each is taken out of the columns that follow it, by the
/// inputs that the layer had, so that the layer's output changes little.
/// </summary>
internal static class GptqRounding
{
    /// <summary>Most columns of a weight: a matrix of their square in float64, twice, is 4 GiB.</summary>
    public const int MostColumns = 16_384;

    // The paper's.
    private const double Damping = 0.01;

    // Rows that share the reading of a factor's row.
    private const int Together = 16;

    /// <summary>
    /// Values whose rounding to nearest is GPTQ's, and the scales that they are rounded by: each code is the level
    /// nearest to its value.
    /// </summary>
    /// <param name="values">The weight, [rows, columns].</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="width">Columns that share a scale.</param>
    /// <param name="products">The sum of the inputs' x xᵀ, [columns, columns].</param>
    /// <param name="scaleOf">The scale of some values.</param>
    /// <param name="round">The value that a value is rounded to by a scale.</param>
    public static (float[] Values, float[] Scales) Round(
        ReadOnlySpan<float> values,
        int columns,
        int width,
        float[] products,
        Func<ArraySegment<float>, float> scaleOf,
        Func<float, float, float> round
    )
    {
        float[] factor = InverseFactor.Upper(products, columns, Damping);
        int rows = values.Length / columns;
        int groups = (columns + width - 1) / width;
        float[] now = values.ToArray();
        float[] scales = new float[rows * groups];
        Parallel.For(
            0,
            (rows + Together - 1) / Together,
            block =>
            {
                int end = Math.Min(rows, (block + 1) * Together);
                for (int column = 0; column < columns; column++)
                {
                    ReadOnlySpan<float> line = factor.AsSpan(column * columns, columns);
                    for (int row = block * Together; row < end; row++)
                    {
                        // A group's scale is that of its values as they are when its first column's turn comes.
                        ref float scale = ref scales[row * groups + column / width];
                        if (column % width == 0)
                            scale = scaleOf(
                                new ArraySegment<float>(now, row * columns + column, Math.Min(width, columns - column))
                            );
                        Span<float> rest = now.AsSpan(row * columns, columns)[column..];
                        float error = (rest[0] - round(rest[0], scale)) / line[column];
                        InverseFactor.AddScaled(rest[1..], -error, line[(column + 1)..]);
                    }
                }
            }
        );
        return (now, scales);
    }
}
