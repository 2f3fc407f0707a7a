using System.Globalization;
using NativeAmp.Cli.Bench;
using NativeAmp.Interop;
using NativeAmp.Training;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Products of 8-bit integers in turns with oneDNN's, and quantised linear layers in turns with ONNX Runtime's
/// (<see cref="OnnxLayer"/>). Each side has one weight, which caches may hold. Before a cell is measured, both results
/// are compared.
/// </summary>
internal static class IntegerLibraries
{
    private static readonly (string Title, QuantizationKind Kind)[] Layers =
    [
        ("int8-dynamic", QuantizationKind.Int8Dynamic),
        ("int4", QuantizationKind.Int4),
        ("int4-dynamic", QuantizationKind.Int4Dynamic),
    ];

    /// <summary>Measures and writes a table, a row for each number of threads, size and number of rows.</summary>
    /// <param name="sizes">Inputs and outputs of the layers.</param>
    /// <param name="rows">Numbers of rows.</param>
    /// <param name="threads">Numbers of threads.</param>
    /// <param name="secondsACell">About the time of a cell.</param>
    public static void Write((int Inputs, int Outputs)[] sizes, int[] rows, int[] threads, double secondsACell)
    {
        string oneDnn = OneDnnProduct.IsThere ? OneDnnProduct.Name : "no oneDNN 2 here";
        Console.WriteLine(
            $"products against {oneDnn} (its input signed, and unsigned), layers against ONNX Runtime "
                + $"{typeof(OnnxLayer).Assembly.GetReferencedAssemblies().Single(name => name.Name == "Microsoft.ML.OnnxRuntime").Version}"
        );
        Console.WriteLine(
            "times as fast as theirs (our ms): medians, of the turns' ratios; on one thread by the processor's time"
        );
        Console.WriteLine(
            $"threads  inputs  outputs  rows  {"s8 product", -15}{"u8 product", -15}"
                + string.Concat(Layers.Select(layer => $"{layer.Title, -15}")).TrimEnd()
        );
        foreach (int count in threads)
        {
            using Device device = Device.Cpu(count);
            using var timer = new InterleavedTimer(device);
            foreach ((int inputs, int outputs) in sizes)
            {
                foreach (int row in rows)
                {
                    string cells =
                        $"{Product(timer, device, (row, outputs, inputs), false, secondsACell), -15}"
                        + $"{Product(timer, device, (row, outputs, inputs), true, secondsACell), -15}"
                        + string.Concat(
                            Layers.Select(layer =>
                                $"{Layer(timer, device, (row, outputs, inputs), layer.Kind, secondsACell), -15}"
                            )
                        );
                    Console.WriteLine($"{count, 7}  {inputs, 6}  {outputs, 7}  {row, 4}  {cells}".TrimEnd());
                }
            }
        }
    }

    private static unsafe string Product(
        InterleavedTimer timer,
        Device device,
        (long M, long N, long K) size,
        bool isUnsigned,
        double seconds
    )
    {
        if (!OneDnnProduct.IsThere)
            return "";
        var random = new Random(1);
        byte[] a = new byte[size.M * size.K];
        byte[] b = new byte[size.N * size.K];
        random.NextBytes(a);
        random.NextBytes(b);
        const float Scale = 1 / 128f;
        float[] scales = [.. Enumerable.Range(1, (int)size.N).Select(i => 1f / i)];
        float[] ours = new float[size.M * size.N];
        float[] theirs = new float[size.M * size.N];
        // As our codes are signed, an unsigned input has the zero point −128.
        byte[] signed = isUnsigned ? [.. a.Select(code => (byte)(code ^ 0x80))] : a;
        fixed (
            byte* source = a,
                own = signed,
                weights = b
        )
        fixed (
            float* weightScales = scales,
                c = ours,
                d = theirs
        )
        {
            NampInt8GemmArgs args = NampInt8GemmArgs.Create();
            (args.M, args.N, args.K, args.CDtype) = (size.M, size.N, size.K, (int)DType.Float32);
            args.A = (sbyte*)own;
            args.AScale = Scale;
            args.AZeroPoint = isUnsigned ? -128 : 0;
            args.BScales = weightScales;
            args.C = c;
            NampInt8PackArgs pack = NampInt8PackArgs.Create();
            (pack.N, pack.K) = (size.N, size.K);
            pack.Weight = (sbyte*)weights;
            pack.PackedBytes = args.BBytes = NativeOps.Int8PackedBytes(device, pack);
            using DeviceBuffer packed = device.Allocate(DType.UInt8, args.BBytes);
            pack.Packed = args.B = (void*)packed.Pointer;
            NativeOps.Int8Pack(device, pack);
            using var threads = new OpenMpThreads(device.Info.Threads);
            using var product = new OneDnnProduct(
                size,
                isUnsigned,
                (nint)source,
                (nint)weights,
                [.. scales.Select(scale => scale * Scale)],
                (nint)d
            );
            NativeOps.Int8Gemm(device, args);
            product.Run();
            Compare(ours, theirs, 1e-5);
            NampInt8GemmArgs ready = args;
            return Cell(timer, device, () => NativeOps.Int8Gemm(device, ready), product.Run, seconds);
        }
    }

    private static string Layer(
        InterleavedTimer timer,
        Device device,
        (long M, long N, long K) size,
        QuantizationKind kind,
        double seconds
    )
    {
        using Linear layer = new Linear((int)size.K, (int)size.N, random: new RandomGenerator(1)).To(device);
        IntegerReport.Quantize(layer, kind, device, [1, size.K]);
        using Tensor input = IntegerReport.Values(device, [size.M, size.K]);
        using var onnx = new OnnxLayer(layer, kind, input.ToArray<float>(), size.M, device.Info.Threads);
        onnx.Run();
        using (NoGrad.Enter())
        {
            using Tensor output = layer.Forward(input);
            // Inputs are rounded in other ways.
            Compare(output.ToArray<float>(), onnx.Output, 0.02);
        }

        return Cell(timer, device, Ours, onnx.Run, seconds);

        void Ours()
        {
            using (NoGrad.Enter())
                layer.Forward(input);
        }
    }

    // On one thread by the processor's time, which other work on the machine does not change.
    private static string Cell(InterleavedTimer timer, Device device, Action own, Action other, double seconds)
    {
        if (ThreadTurns.Fit(device))
            return Timing
                .Quantile(ThreadTurns.Ratios(other, own, seconds), 0.5)
                .ToString("0.00", CultureInfo.InvariantCulture);
        Timing timing = timer.Measure(_ => own(), _ => other(), seconds);
        double[] faster = [.. timing.Limit.Zip(timing.Kernel, (theirs, ours) => theirs / ours)];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Timing.Quantile(faster, 0.5):0.00} ({Timing.Quantile(timing.Kernel, 0.5) * 1e3:0.000})"
        );
    }

    // Speed of something else is no comparison.
    private static void Compare(float[] ours, float[] theirs, double tolerance)
    {
        double error = Math.Sqrt(ours.Zip(theirs, (x, y) => Math.Pow((double)x - y, 2)).Sum());
        double magnitude = Math.Sqrt(ours.Sum(x => (double)x * x));
        if (!(error <= tolerance * magnitude))
            throw new InvalidOperationException(
                $"The results differ by {error / magnitude:0.0e0} of their magnitude, more than {tolerance}."
            );
    }
}
