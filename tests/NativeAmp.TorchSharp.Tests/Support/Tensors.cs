using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests;

/// <summary>Seeded parameters and gradients.</summary>
internal static class Tensors
{
    // Sizes about the borders of vectors, and one large enough to be divided among threads.
    private static readonly long[][] s_shapes =
    [
        [3],
        [16, 16],
        [1],
        [17],
        [5, 7, 3],
        [70000],
        [],
    ];

    /// <summary>Parameters of many shapes.</summary>
    public static Parameter[] Parameters(int seed, ScalarType type = ScalarType.Float32)
    {
        using Generator random = new((ulong)seed);
        return [.. s_shapes.Select(shape => new Parameter(randn(shape, generator: random).to_type(type)))];
    }

    /// <summary>A gradient for each parameter, by steps.</summary>
    public static Tensor[][] Gradients(IReadOnlyList<Parameter> parameters, int steps, int seed, double scale = 1)
    {
        using Generator random = new((ulong)seed);
        return
        [
            .. Enumerable
                .Range(0, steps)
                .Select(_ =>
                    parameters.Select(p => (randn(p.shape, generator: random) * scale).to_type(p.dtype)).ToArray()
                ),
        ];
    }

    /// <summary>Gives parameters these gradients.</summary>
    public static void Give(IReadOnlyList<Parameter> parameters, IReadOnlyList<Tensor> gradients)
    {
        for (int i = 0; i < parameters.Count; i++)
            parameters[i].grad = gradients[i];
    }

    /// <summary>The elements of a tensor of any type as float.</summary>
    public static float[] Floats(Tensor tensor)
    {
        using Tensor flat = tensor.detach().to_type(ScalarType.Float32).contiguous().view(-1);
        return flat.data<float>().ToArray();
    }

    /// <summary>The bits of a float32 tensor.</summary>
    public static int[] Bits(Tensor tensor) => [.. Floats(tensor).Select(BitConverter.SingleToInt32Bits)];
}
