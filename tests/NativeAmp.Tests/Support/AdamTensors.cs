using System.Runtime.InteropServices;

namespace NativeAmp.Tests;

/// <summary>
/// The tensors of an Adam step, with chosen lengths and alignments, and with canaries around each tensor.
/// </summary>
internal sealed class AdamTensors : IDisposable
{
    private readonly Device _device;
    private readonly int[] _lengths;
    private readonly TensorTable _table;
    private readonly GuardedTensor[] _largest;

    public AdamTensors(Device device, int[] lengths, DType gradientType, DType halfType, int misalignment)
    {
        _device = device;
        _lengths = lengths;
        Parameters =
        [
            .. lengths.Select(n => new GuardedTensor(device, DType.Float32, Sizes.Numbers(n, seed: n), misalignment)),
        ];
        Gradients = Make(gradientType, (misalignment + 2) % 5);
        First = Make(DType.Float32, (misalignment + 1) % 4);
        Second = Make(DType.Float32, (misalignment + 3) % 4);
        _largest = Make(DType.Float32, misalignment);
        Halves = Make(halfType, misalignment);
        _table = TensorTable.Create(
            device,
            [.. lengths.Select(n => (long)n)],
            Column(Parameters),
            Column(Gradients),
            Column(First),
            Column(Second),
            Column(Halves),
            Column(_largest)
        );
        State = new OptimizerState(device);
        Steps = new StepCounts(device, lengths.Length);
    }

    public GuardedTensor[] Parameters { get; }

    public GuardedTensor[] Gradients { get; }

    public GuardedTensor[] First { get; }

    public GuardedTensor[] Second { get; }

    public GuardedTensor[] Halves { get; }

    public OptimizerState State { get; }

    public StepCounts Steps { get; }

    private IEnumerable<GuardedTensor> All =>
        [.. Parameters, .. Gradients, .. First, .. Second, .. _largest, .. Halves];

    public void FillGradients(int step)
    {
        for (int t = 0; t < _lengths.Length; t++)
            Gradients[t].Set(Sizes.Numbers(_lengths[t], seed: 1000 * step + t));
    }

    public void Step(LossScaleState scale, AdamOptions options, OptimizerStepOptions? stepOptions = null)
    {
        AmpKernels.UnscaleAndCheck(_table, 1, scale, State);
        AmpKernels.OptimizerStep(
            _table,
            new OptimizerColumns { ComputeCopy = 4, ThirdState = 5 },
            [options],
            Steps,
            scale,
            State,
            stepOptions ?? new OptimizerStepOptions()
        );
    }

    /// <summary>Everything that a step may write.</summary>
    public byte[] AllBytes() =>
        [.. All.Except(Gradients).SelectMany(t => t.Bytes.ToArray()), .. MemoryMarshal.AsBytes<long>(Steps.Read())];

    public void AssertCanariesAreAlive()
    {
        foreach (var tensor in All)
            tensor.AssertCanariesAreAlive();
    }

    public void Dispose()
    {
        _table.Dispose();
        State.Dispose();
        Steps.Dispose();
        foreach (var tensor in All)
            tensor.Dispose();
    }

    private GuardedTensor[] Make(DType dtype, int misalignment) =>
        [.. _lengths.Select(n => new GuardedTensor(_device, dtype, new float[n], misalignment))];

    private static TensorCell[] Column(GuardedTensor[] tensors) => [.. tensors.Select(t => t.Cell)];
}
