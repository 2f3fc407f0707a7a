using System.Globalization;
using NativeAmp.Cli.Bench;
using NativeAmp.Training;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Benchmarks;

/// <summary>Convolutions of integers by static scales, and the whole cnn, each in turns with float32.</summary>
internal static class ConvolutionReport
{
    /// <summary>Measures and writes a table.</summary>
    public static void Write(int images, int threads, double secondsARow)
    {
        Console.WriteLine(
            $"int8-static, batches of {images}, {threads} threads; medians in ms, and medians of the turns' ratios"
        );
        Console.WriteLine("network                           ms       float32, ms  times as fast");
        using Device device = Device.Cpu(threads);
        using var timer = new InterleavedTimer(device);
        Write("cnn, 28 x 28", random => Models.Cnn(random), [images, 1, 28, 28]);
        Write("convolution 3 x 3, 1 to 32", random => Layer(1, 32, 3, random), [images, 1, 28, 28]);
        Write("convolution 3 x 3, 32 to 64", random => Layer(32, 64, 3, random), [images, 32, 14, 14]);
        Write("convolution 3 x 3, 64 to 64", random => Layer(64, 64, 3, random), [images, 64, 56, 56]);
        Write("the same, stride 2", random => Layer(64, 64, 3, random, stride: 2), [images, 64, 56, 56]);
        Write("convolution 1 x 1, 256 to 64", random => Layer(256, 64, 1, random), [images, 256, 28, 28]);
        Write("convolution 3 x 3, 64 groups", random => Layer(64, 64, 3, random, groups: 64), [images, 64, 28, 28]);

        void Write(string name, Func<RandomGenerator, Sequential> create, Shape shape)
        {
            using Sequential floats = create(new RandomGenerator(1)).To(device);
            using Sequential integers = create(new RandomGenerator(1)).To(device);
            floats.Eval();
            integers.Eval();
            IntegerReport.Quantize(integers, QuantizationKind.Int8Static, device, shape);
            using Tensor input = IntegerReport.Values(device, shape);
            Timing timing = timer.Measure(_ => Run(integers), _ => Run(floats), secondsARow);
            double[] faster = [.. timing.Limit.Zip(timing.Kernel, (limit, kernel) => limit / kernel)];
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name, -30}  {Timing.Quantile(timing.Kernel, 0.5) * 1e3, 7:0.000}  "
                        + $"{Timing.Quantile(timing.Limit, 0.5) * 1e3, 14:0.000}  "
                        + $"{Timing.Quantile(faster, 0.5), 13:0.00}"
                )
            );

            void Run(Sequential model)
            {
                using (NoGrad.Enter())
                    model.Forward(input);
            }
        }
    }

    private static Sequential Layer(
        int from,
        int to,
        int kernel,
        RandomGenerator random,
        int stride = 1,
        int groups = 1
    ) => new(new Conv2d(from, to, kernel, stride, padding: kernel / 2, groups: groups, random: random), new Relu());
}
