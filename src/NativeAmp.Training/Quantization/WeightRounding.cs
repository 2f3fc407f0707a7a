using System.Runtime.InteropServices;

namespace NativeAmp.Training.Quantization;

/// <summary>Weights to codes and scales, by a scheme.</summary>
internal static class WeightRounding
{
    // Badri and Shaji 2023 and their program: the norm's power, how strongly errors are shrunk (which grows a little
    // with each iteration), and iterations.
    private const double Power = 0.7;
    private const double FirstBeta = 10;
    private const double BetaGrowth = 1.01;
    private const int Iterations = 20;

    /// <summary>Rounds a weight.</summary>
    /// <param name="values">Its finite values.</param>
    /// <param name="shape">Its sizes, rank 2 or more.</param>
    /// <param name="scheme">A checked scheme.</param>
    /// <param name="products">The sum of the inputs' x xᵀ, [columns, columns], for
    /// <see cref="QuantizationMethod.Gptq"/>; null to round each value by itself.</param>
    public static QuantizedTensor Round(
        ReadOnlySpan<float> values,
        Shape shape,
        QuantizationScheme scheme,
        float[]? products = null
    )
    {
        (int bits, int group) = (scheme.Bits, scheme.WeightGroup);
        int rows = (int)shape[0];
        int columns = (int)(shape.Count / rows);
        int width = group == 0 ? columns : group;
        int groups = (columns + width - 1) / width;
        byte[] codes = new byte[QuantizedTensor.CodeCount(shape, bits, group)];
        float[] scales = new float[rows * groups];
        if (products is not null)
        {
            (float[] moved, scales) = GptqRounding.Round(
                values,
                columns,
                width,
                products,
                part => Scale(part, bits, scheme.Method),
                (value, scale) => Level(value, scale, bits) * scale
            );
            values = moved;
        }

        int codeWidth = width * bits / 8;
        sbyte[] levels = new sbyte[width];
        for (int i = 0; i < rows * groups; i++)
        {
            int begin = i % groups * width;
            ReadOnlySpan<float> part = values.Slice(i / groups * columns + begin, Math.Min(width, columns - begin));
            Array.Clear(levels);
            if (products is null)
                scales[i] = Scale(part, bits, scheme.Method);
            for (int j = 0; j < part.Length; j++)
                levels[j] = (sbyte)Level(part[j], scales[i], bits);
            Pack(levels, bits, codes.AsSpan(i * codeWidth, codeWidth));
        }

        return new QuantizedTensor(
            shape,
            bits,
            group,
            ImmutableCollectionsMarshal.AsImmutableArray(codes),
            ImmutableCollectionsMarshal.AsImmutableArray(scales)
        );
    }

    private static void Pack(ReadOnlySpan<sbyte> levels, int bits, Span<byte> codes)
    {
        if (bits == 8)
        {
            MemoryMarshal.AsBytes(levels).CopyTo(codes);
            return;
        }

        const int zero = QuantizedTensor.Int4ZeroPoint;
        for (int i = 0; i < codes.Length; i++)
            codes[i] = (byte)(levels[2 * i] + zero | levels[2 * i + 1] + zero << 4);
    }

    /// <summary>The code nearest to a value, ties to even, without its zero point.</summary>
    private static float Level(double value, float scale, int bits) =>
        scale == 0 ? 0 : (float)Math.Clamp(Math.Round(value / scale), bits == 8 ? -127 : -8, bits == 8 ? 127 : 7);

    private static float Scale(ReadOnlySpan<float> values, int bits, QuantizationMethod method)
    {
        float largest = 0;
        foreach (float value in values)
        {
            if (MathF.Abs(value) > MathF.Abs(largest))
                largest = value;
        }

        // With 4 bits the largest becomes code −8, the one that has no opposite, as in llama.cpp's Q4_0.
        float scale = bits == 8 ? MathF.Abs(largest) / 127 : largest / -8;
        return method == QuantizationMethod.Hqq && scale != 0 ? HalfQuadratic(values, scale, bits) : scale;
    }

    // In turns: the errors that the norm would rather leave alone are taken out of the values (a shrinkage, in units of
    // the first scale), and the scale becomes that of least squares for the rest.
    private static float HalfQuadratic(ReadOnlySpan<float> values, float first, int bits)
    {
        float scale = first;
        float best = first;
        double least = Norm(values, first, first, bits);
        double beta = FirstBeta;
        for (int i = 0; i < Iterations; i++, beta *= BetaGrowth)
        {
            double product = 0;
            double square = 0;
            foreach (float value in values)
            {
                double level = Level(value, scale, bits);
                double error = (value - level * scale) / first;
                double size = Math.Abs(error);
                double kept = size == 0 ? 0 : Math.Max(0, size - Math.Pow(size, Power - 1) / beta);
                product += (value - Math.Sign(error) * kept * first) * level;
                square += level * level;
            }

            float next = (float)(product / square);
            if (square == 0 || next == scale || !float.IsNormal(next))
                break;
            scale = next;
            double norm = Norm(values, scale, first, bits);
            if (norm < least)
                (least, best) = (norm, scale);
        }

        return best;
    }

    private static double Norm(ReadOnlySpan<float> values, float scale, float unit, int bits)
    {
        double sum = 0;
        foreach (float value in values)
            sum += Math.Pow(Math.Abs((value - (double)Level(value, scale, bits) * scale) / unit), Power);
        return sum;
    }
}
