using System.Globalization;
using NativeAmp.Cli.Bench;
using NativeAmp.Instruments;
using NativeAmp.Training;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Benchmarks;

/// <summary>
/// Linear layers of integers, in turns with the float32 layer; with one row also in turns with reading as many bytes as
/// the weights have.
/// </summary>
internal static class IntegerReport
{
    // Layers that a call takes in turns, so that a small cache does not hold them.
    private const int Rotated = 16;

    /// <summary>Measures and writes a table, a row for each scheme and number of rows.</summary>
    public static void Write(int width, int[] rows, int threads, double secondsARow)
    {
        Console.WriteLine(
            $"linear layers of {width} x {width}, {threads} threads; medians in ms, and medians of the turns' ratios"
        );
        Console.WriteLine(
            "layer         rows  ms       float32, ms  times as fast  GB/s of weights  of reading's speed"
        );
        using Device device = Device.Cpu(threads);
        using var timer = new InterleavedTimer(device);
        Linear[] floats = Layers(device, width);
        foreach (QuantizationKind kind in Enum.GetValues<QuantizationKind>())
        {
            Linear[] integers = Layers(device, width);
            foreach (Linear layer in integers)
                Quantize(layer, kind, device, [1, width]);
            foreach (int count in rows)
                Write(timer, device, kind, integers, floats, count, secondsARow);
            foreach (Linear layer in integers)
                layer.Dispose();
        }

        foreach (Linear layer in floats)
            layer.Dispose();
    }

    /// <summary>Quantises a model, one of static scales by a sample of values from −8 to 8.</summary>
    internal static void Quantize(Module model, QuantizationKind kind, Device device, Shape sample) =>
        Quantizer.Quantize(
            model,
            new QuantizationScheme { Kind = kind },
            kind == QuantizationKind.Int8Static
                ? each =>
                {
                    using NoGrad noGrad = NoGrad.Enter();
                    using Tensor input = Values(device, sample);
                    each.Forward(input);
                }
                : null
        );

    /// <summary>A tensor of values from −8 to 8.</summary>
    internal static Tensor Values(Device device, Shape shape) =>
        Tensor.From<float>(
            device,
            Enumerable.Range(0, (int)shape.Count).Select(i => (float)(i % 17 - 8)).ToArray(),
            shape
        );

    private static Linear[] Layers(Device device, int width) =>
        [
            .. Enumerable
                .Range(0, Rotated)
                .Select(i => new Linear(width, width, bias: false, random: new RandomGenerator((ulong)i)).To(device)),
        ];

    private static void Write(
        InterleavedTimer timer,
        Device device,
        QuantizationKind kind,
        Linear[] integers,
        Linear[] floats,
        int rows,
        double seconds
    )
    {
        int width = (int)integers[0].Inputs;
        using Tensor input = Values(device, [rows, width]);
        if (ThreadTurns.Fit(device))
        {
            WriteByProcessor(device, kind, i => Run(integers, i), i => Run(floats, i), rows, seconds, integers[0]);
            return;
        }

        Timing against = timer.Measure(i => Run(integers, i), i => Run(floats, i), seconds);
        double[] faster = [.. against.Limit.Zip(against.Kernel, (limit, kernel) => limit / kernel)];
        string reading = "";
        if (rows == 1)
        {
            long bytes = integers[0].Quantized!.ByteLength;
            using var memory = new Reading(device, bytes);
            Timing limit = timer.Measure(i => Run(integers, i), memory.Run, seconds);
            reading = string.Create(
                CultureInfo.InvariantCulture,
                $"{bytes / Timing.Quantile(limit.Kernel, 0.5) / 1e9, 15:0.0}  {limit.FractionOfLimit, 18:0.00}"
            );
        }

        string row = string.Create(
            CultureInfo.InvariantCulture,
            $"{kind, -12}  {rows, 4}  {Timing.Quantile(against.Kernel, 0.5) * 1e3, 7:0.000}  "
                + $"{Timing.Quantile(against.Limit, 0.5) * 1e3, 11:0.000}  {Timing.Quantile(faster, 0.5), 13:0.00}  "
                + $"{reading}"
        );
        Console.WriteLine(row.TrimEnd());

        void Run(Linear[] layers, int call)
        {
            using (NoGrad.Enter())
                layers[call % Rotated].Forward(input);
        }
    }

    // By the processor's time on the calling thread, which other work on the machine does not change.
    private static void WriteByProcessor(
        Device device,
        QuantizationKind kind,
        Action<int> own,
        Action<int> single,
        int rows,
        double seconds,
        Linear layer
    )
    {
        int ours = 0,
            theirs = 0;
        double faster = Timing.Quantile(ThreadTurns.Ratios(() => single(theirs++), () => own(ours++), seconds), 0.5);
        string reading = "";
        if (rows == 1)
        {
            using var memory = new Reading(device, layer.Quantized!.ByteLength);
            double[] fractions = ThreadTurns.Ratios(() => memory.Run(theirs++), () => own(ours++), seconds);
            reading = string.Create(CultureInfo.InvariantCulture, $"{Timing.Quantile(fractions, 0.5), 35:0.00}");
        }

        Console.WriteLine(
            string.Create(
                    CultureInfo.InvariantCulture,
                    $"{kind, -12}  {rows, 4}  {"", 7}  {"", 11}  {faster, 13:0.00}  {reading}"
                )
                .TrimEnd()
        );
    }

    // Reads as many bytes as a layer's weights have, others at each call.
    private sealed unsafe class Reading : IDisposable
    {
        private readonly Tensor _memory;
        private readonly TensorTable[] _tables;

        public Reading(Device device, long bytes)
        {
            _memory = Tensor.Zeros(device, DType.Float32, [Rotated, bytes / sizeof(float)]);
            _tables =
            [
                .. Enumerable
                    .Range(0, Rotated)
                    .Select(part =>
                        TensorTable.Create(
                            device,
                            [bytes / sizeof(float)],
                            [new TensorCell((nint)((byte*)_memory.Pointer + part * bytes), DType.Float32)]
                        )
                    ),
            ];
        }

        public void Run(int call) => MemoryTouch.Run(_tables[call % Rotated], [ColumnAccess.Read]);

        public void Dispose()
        {
            foreach (TensorTable table in _tables)
                table.Dispose();
            _memory.Dispose();
        }
    }
}
