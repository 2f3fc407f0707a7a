using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// Copies of an optimizer's and its scaler's state after each of the last steps, made on the device in the order of its work, so that a result
/// can be looked at later without the host having waited for it.
/// </summary>
internal sealed unsafe class StepHistory : IDisposable
{
    /// <summary>Steps that are kept.</summary>
    public const int Length = 64;

    // One more than are kept: whether a step met a label out of range is seen by comparing it with the step before.
    private const int Records = Length + 1;

    private readonly DeviceBuffer _buffer;
    private readonly Slot[] _slots = new Slot[Length];

    public StepHistory(Device device)
    {
        _buffer = device.Allocate(DType.UInt8, Records * sizeof(Record), MemoryKind.OptimizerState);
        _buffer.Clear();
        KeepIndexFact(At(-1));
    }

    /// <summary>Number of the next step.</summary>
    public long Next { get; private set; }

    /// <summary>Keeps a step; returns its number.</summary>
    public long Add(OptimizerState state, LossScaleState? scaler, double learningRate, bool wasChecked)
    {
        nint record = At(Next);
        if (_buffer.Device.IsHostMemory)
        {
            // Without another call into native code.
            ((Record*)record)->Optimizer = *state.Native;
            if (scaler is not null) ((Record*)record)->Scaler = *scaler.Native;
        }
        else
        {
            _buffer.Device.CopyOnDevice(record, state.Pointer, sizeof(NampOptimizerState));
            if (scaler is not null) _buffer.Device.CopyOnDevice(record + sizeof(NampOptimizerState), scaler.Pointer, sizeof(NampScalerState));
        }
        KeepIndexFact(record);
        _slots[Next % Length] = new Slot(learningRate, wasChecked, scaler is not null);
        return Next++;
    }

    public OptimizerFacts Facts(long number) => new(Read(number).Optimizer);

    public float Scale(long number) => SlotOf(number).HasScaler ? Read(number).Scaler.Scale : 1;

    public bool WasChecked(long number) => SlotOf(number).WasChecked;

    public double LearningRate(long number) => SlotOf(number).LearningRate;

    public void Dispose() => _buffer.Dispose();

    private Slot SlotOf(long number) => number >= Next - Length
        ? _slots[number % Length]
        : throw new InvalidOperationException($"The result of step {number} is gone: {Next - number - 1} steps were taken since, and {Length} are kept.");

    private Record Read(long number)
    {
        _ = SlotOf(number);
        var record = _buffer.Device.Read<Record>(At(number));
        if (record.IndexFact.Count != 0 && record.IndexFact.Count != _buffer.Device.Read<Record>(At(number - 1)).IndexFact.Count)
            throw new IndexRangeException(record.IndexFact);
        return record;
    }

    private void KeepIndexFact(nint record)
    {
        NampIndexFact* fact = _buffer.Device.IndexFacts.Pointer;
        if (fact is null) return;
        if (_buffer.Device.IsHostMemory) ((Record*)record)->IndexFact = *fact;
        else _buffer.Device.CopyOnDevice((nint)(&((Record*)record)->IndexFact), (nint)fact, sizeof(NampIndexFact));
    }

    private nint At(long number) => _buffer.Pointer + (nint)((number + 1) % Records) * sizeof(Record);

    private struct Record
    {
        public NampOptimizerState Optimizer;
        public NampScalerState Scaler;
        public NampIndexFact IndexFact;
    }

    private readonly record struct Slot(double LearningRate, bool WasChecked, bool HasScaler);
}
