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

    private readonly DeviceBuffer _buffer;
    private readonly Slot[] _slots = new Slot[Length];

    public StepHistory(Device device)
    {
        _buffer = device.Allocate(DType.UInt8, Length * sizeof(Record), MemoryKind.OptimizerState);
        _buffer.Clear();
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
        return _buffer.Device.Read<Record>(At(number));
    }

    private nint At(long number) => _buffer.Pointer + (nint)(number % Length) * sizeof(Record);

    private struct Record
    {
        public NampOptimizerState Optimizer;
        public NampScalerState Scaler;
    }

    private readonly record struct Slot(double LearningRate, bool WasChecked, bool HasScaler);
}
