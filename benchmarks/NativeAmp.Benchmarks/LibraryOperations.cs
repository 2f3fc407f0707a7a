using System.Globalization;
using NativeAmp.Cli.Bench;
using NativeAmp.Interop;
using NativeAmp.Training;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Single convolutions and products by our own loops, in turns with the same by oneDNN's: every direction of
/// convolutions that networks have, and of the CNN's first fully connected layer.
/// </summary>
internal sealed class LibraryOperations : IDisposable
{
    private static readonly DType[] Types = [DType.Float32, DType.Float16, DType.BFloat16];

    private static readonly Convolution[] Convolutions =
    [
        new(32, 64, 28, 128, 3, 2, 1),
        new(16, 128, 28, 128, 3, 2, 1),
        new(16, 256, 28, 256, 3, 2, 1),
        new(16, 512, 14, 512, 3, 2, 1),
        new(16, 256, 28, 512, 1, 2, 0),
        new(8, 3, 224, 64, 7, 2, 3),
        new(32, 64, 28, 64, 3, 1, 1),
    ];

    private readonly Device _with;
    private readonly Device _without;
    private readonly double _seconds;
    private readonly InterleavedTimer _timer;

    private LibraryOperations(Device with, Device without, double seconds)
    {
        (_with, _without, _seconds) = (with, without, seconds);
        _timer = new InterleavedTimer(with);
    }

    // Two operands and a result, on a device.
    private delegate void Operation(Device device, nint first, nint second, nint result, DType type);

    /// <summary>Measures and writes a table: a row for each operation, with a cell for each precision.</summary>
    public static void Write(Device with, Device without, double secondsACell)
    {
        using var operations = new LibraryOperations(with, without, secondsACell);
        Console.WriteLine("the median of the turns' ratios, with quartiles");
        Console.WriteLine($"{"operation", -57}{string.Concat(Types.Select(type => $"{type.Name(), -21}"))}".TrimEnd());
        foreach (Convolution shape in Convolutions)
            operations.Write(Scenario.Smoke ? shape.Smallest : shape);
        operations.WriteLinear(Scenario.Smoke ? 2 : 128, Scenario.Smoke ? 2 : 3136, Scenario.Smoke ? 2 : 128);
    }

    public void Dispose() => _timer.Dispose();

    private unsafe void Write(Convolution shape)
    {
        Row(
            $"{shape}, forward",
            (shape.Inputs, shape.Weights, shape.Outputs),
            (device, input, weight, output, type) =>
            {
                NampConv2dArgs args = shape.Arguments(type);
                args.Input = (void*)input;
                args.Weight = (void*)weight;
                args.Output = (void*)output;
                NativeOps.Conv2dForward(device, args);
            }
        );
        Row(
            $"{shape}, images",
            (shape.Outputs, shape.Weights, shape.Inputs),
            (device, gradient, weight, result, type) =>
            {
                NampConv2dArgs args = shape.Arguments(type);
                args.OutputGradient = (void*)gradient;
                args.Weight = (void*)weight;
                args.InputGradient = (void*)result;
                NativeOps.Conv2dBackwardData(device, args);
            }
        );
        Row(
            $"{shape}, weights",
            (shape.Inputs, shape.Outputs, shape.Weights),
            (device, input, gradient, result, type) =>
            {
                NampConv2dArgs args = shape.Arguments(type);
                args.Input = (void*)input;
                args.OutputGradient = (void*)gradient;
                args.WeightGradient = (void*)result;
                NativeOps.Conv2dBackwardWeights(device, args);
            }
        );
    }

    // input · weightᵀ and its two gradients.
    private void WriteLinear(long batch, long inputs, long outputs)
    {
        string layer = $"linear, {inputs} to {outputs}, batch {batch}";
        (long input, long weight, long output) = (batch * inputs, inputs * outputs, batch * outputs);
        Row(
            $"{layer}, forward",
            (input, weight, output),
            (device, x, w, y, type) => Multiply(device, type, (batch, outputs, inputs), (x, false), (w, true), y)
        );
        Row(
            $"{layer}, input",
            (output, weight, input),
            (device, dy, w, dx, type) => Multiply(device, type, (batch, inputs, outputs), (dy, false), (w, false), dx)
        );
        Row(
            $"{layer}, weight",
            (output, input, weight),
            (device, dy, x, dw, type) => Multiply(device, type, (outputs, inputs, batch), (dy, true), (x, false), dw)
        );
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

    private void Row(string name, (long First, long Second, long Result) elements, Operation operation) =>
        Console.WriteLine(
            $"{name, -57}{string.Concat(Types.Select(type => $"{Cell(elements, operation, type), -21}"))}".TrimEnd()
        );

    private string Cell((long First, long Second, long Result) elements, Operation operation, DType type)
    {
        using Tensor first = Random(elements.First, type);
        using Tensor second = Random(elements.Second, type);
        using Tensor result = Random(elements.Result, type);
        double[] ratios = LibraryReport.Ratios(_timer.Measure(_ => Run(_without), _ => Run(_with), _seconds));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Timing.Quantile(ratios, 0.5):0.00} ({Timing.Quantile(ratios, 0.25):0.00} to {Timing.Quantile(ratios, 0.75):0.00})"
        );

        void Run(Device device) => operation(device, Address(first), Address(second), Address(result), type);
    }

    private static unsafe nint Address(Tensor tensor) => (nint)tensor.Pointer;

    private Tensor Random(long count, DType type)
    {
        Tensor floats = Tensor.From(_with, Initializers.Normal(1)([count], new RandomGenerator(1)), [count]);
        if (type == DType.Float32)
            return floats;
        using (floats)
        using (NoGrad.Enter())
            return Ops.Cast(floats, type).Keep();
    }

    // Of square images, kernels and strides.
    private sealed record Convolution(int Batch, int In, int Side, int Out, int Kernel, int Stride, int Padding)
    {
        private int OutSide => (Side + 2 * Padding - Kernel) / Stride + 1;

        public long Inputs => (long)Batch * In * Side * Side;
        public long Weights => (long)Out * In * Kernel * Kernel;
        public long Outputs => (long)Batch * Out * OutSide * OutSide;
        public Convolution Smallest => this with { Batch = 1, In = 2, Side = Kernel + 1, Out = 2 };

        public NampConv2dArgs Arguments(DType type)
        {
            NampConv2dArgs args = NampConv2dArgs.Create();
            args.Dtype = args.WeightGradientDtype = args.BiasGradientDtype = (int)type;
            (args.Batch, args.InChannels, args.OutChannels, args.Groups) = (Batch, In, Out, 1);
            args.InH = args.InW = Side;
            args.KernelH = args.KernelW = Kernel;
            args.StrideH = args.StrideW = Stride;
            args.PadH = args.PadW = Padding;
            args.DilationH = args.DilationW = 1;
            return args;
        }

        public override string ToString() =>
            $"{In} to {Out}, {Kernel} x {Kernel}, stride {Stride}, {Side} x {Side}, batch {Batch}";
    }
}
