using System.Buffers.Binary;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Export;

/// <summary>
/// The blocks of GGUF's quantized types: 32 numbers of a row with one scale (github.com/ggml-org/ggml, block_q8_0 and
/// block_q4_0).
/// </summary>
internal static class GgufBlocks
{
    /// <summary>Numbers of a block.</summary>
    public const int Length = 32;

    private const int ScaleBytes = sizeof(ushort);
    private const int ByteMost = 127;
    private const int NibbleCenter = 8;
    private const int NibbleMost = 15;

    /// <summary>Bytes of a tensor; its rows are whole blocks where the type has them.</summary>
    public static long Bytes(GgufType type, long count) =>
        type switch
        {
            GgufType.F32 => count * sizeof(float),
            GgufType.F16 or GgufType.BF16 => count * sizeof(ushort),
            GgufType.Q8_0 => count / Length * (ScaleBytes + Length),
            GgufType.Q4_0 => count / Length * (ScaleBytes + Length / 2),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type that is written."),
        };

    /// <summary>The bytes of a tensor.</summary>
    /// <exception cref="ExportException">A number does not fit the type.</exception>
    public static byte[] Encode(float[] values, GgufType type, string name) =>
        type switch
        {
            GgufType.F32 => FloatBytes.InRange(values, DType.Float32, name),
            GgufType.F16 => FloatBytes.InRange(values, DType.Float16, name),
            GgufType.BF16 => FloatBytes.InRange(values, DType.BFloat16, name),
            _ => Quantize(values, type, name),
        };

    /// <summary>The type whose integers those of a tensor are.</summary>
    public static GgufType TypeOf(QuantizedTensor tensor) => tensor.Bits == 8 ? GgufType.Q8_0 : GgufType.Q4_0;

    /// <summary>
    /// Integers as they are; a row or group is whole blocks, each of which has its scale, rounded to float16.
    /// </summary>
    /// <exception cref="ExportException">A scale is beyond float16's range.</exception>
    public static byte[] Encode(QuantizedTensor tensor, string name)
    {
        GgufType type = TypeOf(tensor);
        byte[] bytes = new byte[Bytes(type, tensor.Rows * tensor.Columns)];
        Span<byte> destination = bytes;
        for (long row = 0; row < tensor.Rows; row++)
        {
            for (long column = 0; column < tensor.Columns; column += Length)
            {
                long group = tensor.Group == 0 ? 0 : column / tensor.Group;
                float scale = tensor.Scales[(int)(row * tensor.Groups + group)];
                Check(scale, type, row * tensor.Columns + column, name);
                BinaryPrimitives.WriteHalfLittleEndian(destination, (Half)scale);
                destination = destination[ScaleBytes..];
                if (type == GgufType.Q8_0)
                {
                    for (int i = 0; i < Length; i++)
                        destination[i] = (byte)tensor.Level(row, column + i);
                    destination = destination[Length..];
                }
                else
                {
                    for (int i = 0; i < Length / 2; i++)
                        destination[i] = Pair(Code(column + i), Code(column + i + Length / 2));
                    destination = destination[(Length / 2)..];
                }
            }

            int Code(long column) => tensor.Level(row, column) + NibbleCenter;
        }

        return bytes;
    }

    private static byte[] Quantize(float[] values, GgufType type, string name)
    {
        if (Array.FindIndex(values, value => !float.IsFinite(value)) is >= 0 and var at)
            throw new ExportException(
                name,
                $"'{name}' has {values[at]} at element {at}, and {type} holds finite numbers alone. Export it as "
                    + $"{GgufType.F32}, or repair the model."
            );
        byte[] bytes = new byte[Bytes(type, values.Length)];
        int size = bytes.Length / (values.Length / Length);
        for (int block = 0; block < values.Length / Length; block++)
        {
            ReadOnlySpan<float> numbers = values.AsSpan(block * Length, Length);
            Span<byte> destination = bytes.AsSpan(block * size, size);
            float scale = type == GgufType.Q8_0 ? EightBits(numbers, destination) : FourBits(numbers, destination);
            Check(scale, type, (long)block * Length, name);
        }

        return bytes;
    }

    private static void Check(float scale, GgufType type, long element, string name)
    {
        if (!Half.IsFinite((Half)scale))
            throw new ExportException(
                name,
                $"'{name}' has a block of {Length} numbers from element {element} whose scale in {type}, {scale}, is "
                    + $"beyond float16's range. Export floating-point weights as {GgufType.F32}."
            );
    }

    /// <summary>The scale makes the largest number ±127.</summary>
    private static float EightBits(ReadOnlySpan<float> numbers, Span<byte> destination)
    {
        float largest = 0;
        foreach (float number in numbers)
            largest = Math.Max(largest, Math.Abs(number));
        float scale = largest / ByteMost;
        float inverse = Inverse(scale);
        BinaryPrimitives.WriteHalfLittleEndian(destination, (Half)scale);
        for (int i = 0; i < Length; i++)
            destination[ScaleBytes + i] = (byte)
                (sbyte)
                    Math.Clamp(MathF.Round(numbers[i] * inverse, MidpointRounding.AwayFromZero), -ByteMost, ByteMost);
        return scale;
    }

    /// <summary>The scale makes the number of the largest magnitude −8, of 16 values from −8 to 7.</summary>
    private static float FourBits(ReadOnlySpan<float> numbers, Span<byte> destination)
    {
        float largest = 0;
        foreach (float number in numbers)
        {
            if (Math.Abs(number) > Math.Abs(largest))
                largest = number;
        }

        float scale = largest / -NibbleCenter;
        float inverse = Inverse(scale);
        BinaryPrimitives.WriteHalfLittleEndian(destination, (Half)scale);
        for (int i = 0; i < Length / 2; i++)
            destination[ScaleBytes + i] = Pair(Nibble(numbers[i] * inverse), Nibble(numbers[i + Length / 2] * inverse));
        return scale;
    }

    // A scale may be so small that its inverse is infinite; such a block is zeros.
    private static float Inverse(float scale) => float.IsFinite(1 / scale) ? 1 / scale : 0;

    // The low half of a byte is of the block's first half.
    private static byte Pair(int first, int second) => (byte)(first | (second << 4));

    private static int Nibble(float scaled) => Math.Min(NibbleMost, (int)(scaled + NibbleCenter + 0.5f));
}
