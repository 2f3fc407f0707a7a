using System.Globalization;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Every convolution of ResNet-50 (with its strides in the 3 x 3 ones) and of MobileNetV2 by our own loops, in turns
/// with the same by oneDNN: what is slower than the limits that docs/performance.md names.
/// </summary>
internal static class NetworkConvolutions
{
    // Times oneDNN's that an operation may take.
    private static readonly (DType Type, double Limit)[] Types =
    [
        (DType.Float32, 1.3),
        (DType.Float16, 1.3),
        (DType.BFloat16, 1.5),
    ];

    /// <summary>Measures and writes a row for each convolution and batch, then how many are above the limits.</summary>
    /// <param name="batches">Numbers of images.</param>
    /// <param name="secondsACell">Approximate seconds for each operation.</param>
    /// <param name="text">Only rows whose network and shape have this in their text.</param>
    public static void Write(IReadOnlyList<int> batches, double secondsACell, string text = "")
    {
        using Device with = Device.Cpu();
        using Device without = LibraryReport.WithoutOneDnn();
        Console.WriteLine(LibraryReport.Heading(with, without));
        Console.WriteLine("medians of the turns' ratios: forward, images and weights in fp32, in fp16, in bf16");
        var ratios = Types.ToDictionary(type => type.Type, _ => new List<double>());
        foreach ((string network, ConvolutionShape[] shapes) in Networks())
        {
            foreach (ConvolutionShape shape in shapes)
            foreach (int batch in batches)
                Row(network, shape with { Batch = batch });
        }
        foreach ((DType type, double limit) in Types)
        {
            List<double> all = ratios[type];
            if (all.Count == 0)
                continue;
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{type.Name()}: {all.Count(ratio => ratio > limit)} of {all.Count} above {limit}, "
                        + $"geometric mean {Math.Exp(all.Average(Math.Log)):0.00}, largest {all.Max():0.00}"
                )
            );
        }

        void Row(string network, ConvolutionShape shape)
        {
            string line = $"{network, -12}{shape, -66}";
            if (!line.Contains(text, StringComparison.OrdinalIgnoreCase))
                return;
            foreach ((DType type, _) in Types)
            foreach (LibraryOperation direction in shape.Directions())
            {
                double ratio = Timing.Quantile(direction.Ratios(with, without, type, secondsACell), 0.5);
                ratios[type].Add(ratio);
                line += string.Create(CultureInfo.InvariantCulture, $"{ratio, 6:0.00}");
            }
            Console.WriteLine(line);
        }
    }

    /// <summary>ResNet-50's, each once.</summary>
    public static IEnumerable<ConvolutionShape> OfResNet(int batch) =>
        Measured(ResNet()).Select(shape => shape with { Batch = batch });

    private static IEnumerable<(string Network, ConvolutionShape[] Shapes)> Networks()
    {
        yield return ("ResNet-50", Measured(ResNet()));
        yield return ("MobileNetV2", Measured(MobileNet()));
    }

    private static ConvolutionShape[] Measured(IEnumerable<ConvolutionShape> shapes) =>
        [.. (Scenario.Smoke ? shapes.Select(shape => shape.Smallest) : shapes).Distinct()];

    // He et al., "Deep Residual Learning for Image Recognition", table 1; a stage's stride is in its first block's
    // 3 x 3 convolution, as in torchvision.
    private static IEnumerable<ConvolutionShape> ResNet()
    {
        yield return new(1, 3, 224, 64, 7, 2, 3);
        (int channels, int side) = (64, 56);
        foreach ((int width, int first) in ((int, int)[])[(64, 1), (128, 2), (256, 2), (512, 2)])
        {
            // The blocks after the second have the second's convolutions.
            foreach (int stride in (int[])[first, 1])
            {
                yield return new(1, channels, side, width, 1, 1, 0);
                yield return new(1, width, side, width, 3, stride, 1);
                if (channels != 4 * width)
                    yield return new(1, channels, side, 4 * width, 1, stride, 0);
                (channels, side) = (4 * width, side / stride);
                yield return new(1, width, side, channels, 1, 1, 0);
            }
        }
    }

    // Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.
    private static IEnumerable<ConvolutionShape> MobileNet()
    {
        yield return new(1, 3, 224, 32, 3, 2, 1);
        (int channels, int side) = (32, 112);
        (int Expansion, int Out, int Stride)[] rows =
        [
            (1, 16, 1),
            (6, 24, 2),
            (6, 32, 2),
            (6, 64, 2),
            (6, 96, 1),
            (6, 160, 2),
            (6, 320, 1),
        ];
        foreach ((int expansion, int width, int first) in rows)
        {
            // The same for all blocks after the first; the first and the last row have one.
            foreach (int stride in (int[])(width is 16 or 320 ? [first] : [first, 1]))
            {
                int inner = expansion * channels;
                if (expansion > 1)
                    yield return new(1, channels, side, inner, 1, 1, 0);
                yield return new(1, inner, side, inner, 3, stride, 1, inner);
                (channels, side) = (width, side / stride);
                yield return new(1, inner, side, channels, 1, 1, 0);
            }
        }
        yield return new(1, channels, side, 1280, 1, 1, 0);
    }
}
