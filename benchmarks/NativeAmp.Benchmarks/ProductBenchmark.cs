using BenchmarkDotNet.Attributes;
using NativeAmp.Training;

namespace NativeAmp.Benchmarks;

/// <summary>Matrix products and convolutions by precision, forward.</summary>
public class ProductBenchmark : DeviceBenchmark
{
    private Tensor _a = null!,
        _b = null!,
        _images = null!,
        _filters = null!;

    [ParamsSource(nameof(Kinds))]
    public DeviceKind Kind { get; set; }

    [Params(DType.Float32, DType.Float16, DType.BFloat16)]
    public DType DType { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        int side =
            Scenario.Smoke ? 32
            : Kind == DeviceKind.Cpu ? 1024
            : 4096;
        int batch =
            Scenario.Smoke ? 1
            : Kind == DeviceKind.Cpu ? 128
            : 1024;
        Open(Kind);
        _a = Random([side, side], 1);
        _b = Random([side, side], 2);
        _images = Random([batch, 32, 14, 14], 3);
        _filters = Random([64, 32, 3, 3], 4);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (Tensor tensor in (Tensor[])[_a, _b, _images, _filters])
            tensor.Dispose();
        Close();
    }

    [Benchmark(Description = "GEMM, 1024 cubed (GPU: 4096)")]
    public void Gemm()
    {
        using (NoGrad.Enter())
            Ops.MatMul(_a, _b);
    }

    [Benchmark(Description = "3x3 convolution, 128 (GPU: 1024) x 32 x 14 x 14 to 64")]
    public void Convolution()
    {
        using (NoGrad.Enter())
            Ops.Conv2d(_images, _filters, null, new Conv2dOptions(Padding: 1));
    }

    private Tensor Random(Shape shape, ulong seed)
    {
        Tensor floats = Tensor.From(Device, Initializers.Normal(1)(shape, new RandomGenerator(seed)), shape);
        if (DType == DType.Float32)
            return floats;
        using (floats)
        using (NoGrad.Enter())
            return Ops.Cast(floats, DType).Keep();
    }
}
