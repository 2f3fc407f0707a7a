using System.Globalization;
using NativeAmp.Cli.Bench;
using NativeAmp.Interop;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Single convolutions and products by our own loops, in turns with the same by oneDNN's: every direction of
/// convolutions that networks have, and of the CNN's first fully connected layer.
/// </summary>
internal static class LibraryOperations
{
    private static readonly DType[] Types = [DType.Float32, DType.Float16, DType.BFloat16];

    private static readonly ConvolutionShape[] Convolutions =
    [
        new(32, 64, 28, 128, 3, 2, 1),
        new(16, 128, 28, 128, 3, 2, 1),
        new(16, 256, 28, 256, 3, 2, 1),
        new(16, 512, 14, 512, 3, 2, 1),
        new(16, 256, 28, 512, 1, 2, 0),
        new(8, 3, 224, 64, 7, 2, 3),
        new(32, 64, 28, 64, 3, 1, 1),
        new(16, 192, 28, 192, 3, 1, 1, 192),
        new(16, 576, 14, 576, 3, 2, 1, 576),
    ];

    /// <summary>Measures and writes a table: a row for each operation, with a cell for each precision.</summary>
    public static void Write(Device with, Device without, double secondsACell)
    {
        Console.WriteLine("the median of the turns' ratios, with quartiles");
        Console.WriteLine($"{"operation", -67}{string.Concat(Types.Select(type => $"{type.Name(), -21}"))}".TrimEnd());
        foreach (ConvolutionShape each in Convolutions)
        {
            ConvolutionShape shape = Scenario.Smoke ? each.Smallest : each;
            foreach (LibraryOperation direction in shape.Directions())
                Row(shape.ToString(), direction);
        }
        (long batch, long inputs, long outputs) = Scenario.Smoke ? (2, 2, 2) : (128, 3136, 128);
        foreach (LibraryOperation product in Linear(batch, inputs, outputs))
            Row($"linear, {inputs} to {outputs}, batch {batch}", product);

        void Row(string name, LibraryOperation operation) =>
            Console.WriteLine(
                $"{name + ", " + operation.Name, -67}{string.Concat(Types.Select(type => $"{Cell(operation, type), -21}"))}".TrimEnd()
            );

        string Cell(LibraryOperation operation, DType type)
        {
            double[] ratios = operation.Ratios(with, without, type, secondsACell);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{Timing.Quantile(ratios, 0.5):0.00} ({Timing.Quantile(ratios, 0.25):0.00} to {Timing.Quantile(ratios, 0.75):0.00})"
            );
        }
    }

    // input · weightᵀ and its two gradients.
    private static LibraryOperation[] Linear(long batch, long inputs, long outputs)
    {
        (long input, long weight, long output) = (batch * inputs, inputs * outputs, batch * outputs);
        return
        [
            new(
                "forward",
                input,
                weight,
                output,
                (device, x, w, y, type) => Multiply(device, type, (batch, outputs, inputs), (x, false), (w, true), y)
            ),
            new(
                "input",
                output,
                weight,
                input,
                (device, dy, w, dx, type) =>
                    Multiply(device, type, (batch, inputs, outputs), (dy, false), (w, false), dx)
            ),
            new(
                "weight",
                output,
                input,
                weight,
                (device, dy, x, dw, type) =>
                    Multiply(device, type, (outputs, inputs, batch), (dy, true), (x, false), dw)
            ),
        ];
    }

    private static unsafe void Multiply(
        Device device,
        DType type,
        (long M, long N, long K) size,
        (nint Data, bool Transposed) a,
        (nint Data, bool Transposed) b,
        nint c
    )
    {
        NampGemmArgs args = NampGemmArgs.Create();
        args.ADtype = args.BDtype = args.CDtype = (int)type;
        (args.M, args.N, args.K, args.Batch, args.Alpha) = (size.M, size.N, size.K, 1, 1);
        args.A = (void*)a.Data;
        args.B = (void*)b.Data;
        args.C = (void*)c;
        (args.TransposeA, args.TransposeB) = (a.Transposed ? 1 : 0, b.Transposed ? 1 : 0);
        (args.Lda, args.Ldb) = (a.Transposed ? size.M : size.K, b.Transposed ? size.K : size.N);
        args.Ldc = size.N;
        NativeOps.Gemm(device, args);
    }
}
