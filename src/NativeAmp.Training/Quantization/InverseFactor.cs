using System.Numerics;

namespace NativeAmp.Training.Quantization;

/// <summary>The triangular factor of a matrix's inverse.</summary>
internal static class InverseFactor
{
    /// <summary>
    /// The upper triangular U with Uᵀ U = (H + damping)⁻¹, as <see cref="GptqRounding"/> needs it. A Cholesky factor of
    /// H from its last row on gives it without the inverse: H = R Rᵀ with R upper, and U = R⁻¹.
    /// </summary>
    /// <param name="matrix">H, [size, size], symmetric and not negative.</param>
    /// <param name="size">Number of rows.</param>
    /// <param name="damping">Part of the mean of H's diagonal that is added to it, above 0. A column of zeros gets
    /// 1.</param>
    public static float[] Upper(ReadOnlySpan<float> matrix, int size, double damping)
    {
        double mean = 0;
        for (int i = 0; i < size; i++)
            mean += matrix[i * size + i] / (double)size;
        // Row i of the factor is that of the matrix from the end.
        double[] lower = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j <= i; j++)
                lower[i * size + j] = matrix[(size - 1 - i) * size + size - 1 - j];
            double own = lower[i * size + i];
            lower[i * size + i] = own > 0 ? own + damping * mean : 1;
        }

        Factor(lower, size);
        double[] inverse = Invert(lower, size);
        float[] upper = new float[size * size];
        for (int i = 0; i < size; i++)
        {
            for (int j = i; j < size; j++)
                upper[i * size + j] = (float)inverse[(size - 1 - i) * size + size - 1 - j];
        }

        return upper;
    }

    // Cholesky's, row by row in place.
    private static void Factor(double[] a, int size)
    {
        for (int i = 0; i < size; i++)
        {
            Span<double> row = a.AsSpan(i * size, i + 1);
            for (int j = 0; j < i; j++)
                row[j] = (row[j] - Dot(row[..j], a.AsSpan(j * size, j))) / a[j * size + j];
            row[i] = Math.Sqrt(Math.Max(row[i] - Dot(row[..i], row[..i]), double.Epsilon));
        }
    }

    // Of a lower triangle: row i is -1 / a[i, i] times the sum of a[i, p] inverse[p], p < i.
    private static double[] Invert(double[] a, int size)
    {
        double[] inverse = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            double own = 1 / a[i * size + i];
            for (int p = 0; p < i; p++)
                AddScaled(inverse.AsSpan(i * size, p + 1), -own * a[i * size + p], inverse.AsSpan(p * size, p + 1));
            inverse[i * size + i] = own;
        }

        return inverse;
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Vector<double> sums = Vector<double>.Zero;
        int i = 0;
        for (; i + Vector<double>.Count <= a.Length; i += Vector<double>.Count)
            sums += new Vector<double>(a[i..]) * new Vector<double>(b[i..]);
        double sum = Vector.Sum(sums);
        for (; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    /// <summary>to += factor · from.</summary>
    public static void AddScaled<T>(Span<T> to, T factor, ReadOnlySpan<T> from)
        where T : struct, IFloatingPointIeee754<T>
    {
        var factors = new Vector<T>(factor);
        int i = 0;
        for (; i + Vector<T>.Count <= to.Length; i += Vector<T>.Count)
            (new Vector<T>(to[i..]) + factors * new Vector<T>(from[i..])).CopyTo(to[i..]);
        for (; i < to.Length; i++)
            to[i] += factor * from[i];
    }
}
