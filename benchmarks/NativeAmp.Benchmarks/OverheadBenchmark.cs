using BenchmarkDotNet.Attributes;
using NativeAmp.Interop;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The overhead of a call: the transition into native code, and FusedAdam over tensors of one element each.
/// </summary>
public class OverheadBenchmark
{
    private readonly List<BufferParameter> _parameters = [];
    private Device _device = null!;
    private FusedAdam _optimizer = null!;
    private OptimizerState _state = null!;

    public IEnumerable<int> TensorCounts => Scenario.Smoke ? [3] : [1, 1000];

    [ParamsSource(nameof(TensorCounts))]
    public int Tensors { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Cpu(1);
        var random = new Random(1);
        for (int i = 0; i < Tensors; i++)
            _parameters.Add(new BufferParameter(_device, $"tensor{i}", 1, DType.Float16, random));
        _optimizer = new FusedAdam(_parameters, new AdamOptions());
        _optimizer.Step();
        _state = new OptimizerState(_device);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _state.Dispose();
        _optimizer.Dispose();
        foreach (BufferParameter parameter in _parameters)
            parameter.Dispose();
        _parameters.Clear();
        _device.Dispose();
    }

    [Benchmark(Description = "empty P/Invoke")]
    public int EmptyCall() => NativeMethods.AbiVersion();

    [Benchmark(Description = "FusedAdam.Step, one element a tensor")]
    public void Step() => _optimizer.Step();

    [Benchmark(Description = "its native call, over the same table")]
    public void NativeStep() => OverheadReport.Native(_optimizer.Memory, _state);
}
