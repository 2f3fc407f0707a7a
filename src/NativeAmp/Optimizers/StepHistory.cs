using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// The states of an optimizer and its scaler after each of the last steps, copied to the host in the order of the
/// device's work. A result can be read later, and the host need not wait for it.
/// </summary>
internal sealed unsafe class StepHistory : IDisposable
{
    /// <summary>Number of steps kept.</summary>
    public const int Length = 64;

    // One more than are kept: comparing a step with the one before shows whether it met a label out of range.
    private const int Records = Length + 1;

    private readonly Device _device;
    private readonly Readback _records;
    private readonly Slot[] _slots = new Slot[Length];

    // Length learning rates a slot, from the first step that has several.
    private double[] _severalRates = [];
    private long _known = -1;

    public StepHistory(Device device)
    {
        _device = device;
        _records = new Readback(device, Records, sizeof(Record));
        KeepIndexFact(RecordOf(-1));
        _records.Post(RecordOf(-1));
    }

    /// <summary>Number of the next step.</summary>
    public long Next { get; private set; }

    /// <summary>Number of the last step whose record is there, without waiting; -1 for none.</summary>
    public long Known
    {
        get
        {
            // A record that fell out of the ring was overwritten by a later one.
            _known = Math.Max(_known, Next - Length - 1);
            while (_known < Next - 1 && _records.IsThere(RecordOf(_known + 1)))
                _known++;
            return _known;
        }
    }

    /// <summary>Keeps a step; returns its number.</summary>
    /// <param name="state">The optimizer's state.</param>
    /// <param name="scaler">The loss scale of its gradients, or null.</param>
    /// <param name="learningRates">Learning rates of the first group, for each number of applied steps that the step
    /// may have begun with.</param>
    /// <param name="firstStep">The first of these numbers.</param>
    /// <param name="wasChecked">Whether the gradients were checked.</param>
    public long Add(
        OptimizerState state,
        LossScaleState? scaler,
        ReadOnlySpan<double> learningRates,
        long firstStep,
        bool wasChecked
    )
    {
        int record = RecordOf(Next);
        _records.Copy(record, 0, state.Pointer, sizeof(NampOptimizerState));
        if (scaler is not null)
            _records.Copy(record, sizeof(NampOptimizerState), scaler.Pointer, sizeof(NampScalerState));
        KeepIndexFact(record);
        _records.Post(record);
        return Note(learningRates, firstStep, wasChecked, scaler is not null);
    }

    /// <summary>A record on the device, for a step of a graph.</summary>
    public static DeviceBuffer NewRecord(Device device)
    {
        DeviceBuffer record = device.Allocate(DType.UInt8, sizeof(Record), MemoryKind.OptimizerState);
        record.Clear();
        return record;
    }

    /// <summary>Captures the copies of a step to a record on the device.</summary>
    public void Capture(nint record, OptimizerState state, LossScaleState? scaler)
    {
        _device.CopyOnDevice(record, state.Pointer, sizeof(NampOptimizerState));
        record += sizeof(NampOptimizerState);
        if (scaler is not null)
            _device.CopyOnDevice(record, scaler.Pointer, sizeof(NampScalerState));
        NampIndexFact* fact = _device.IndexFacts.Pointer;
        if (fact is not null)
            _device.CopyOnDevice(record + sizeof(NampScalerState), (nint)fact, sizeof(NampIndexFact));
    }

    /// <summary>Keeps a step whose record is on the device; returns its number.</summary>
    public long AddCopy(
        nint deviceRecord,
        ReadOnlySpan<double> learningRates,
        long firstStep,
        bool wasChecked,
        bool hasScaler
    )
    {
        int record = RecordOf(Next);
        _records.Copy(record, 0, deviceRecord, sizeof(Record));
        _records.Post(record);
        return Note(learningRates, firstStep, wasChecked, hasScaler);
    }

    private long Note(ReadOnlySpan<double> learningRates, long firstStep, bool wasChecked, bool hasScaler)
    {
        if (learningRates.Length > 1)
        {
            if (_severalRates.Length == 0)
                _severalRates = new double[Length * Length];
            learningRates.CopyTo(RatesOf(Next));
        }
        _slots[Next % Length] = new Slot(learningRates[0], learningRates.Length, firstStep, wasChecked, hasScaler);
        return Next++;
    }

    /// <summary>Whether a step's record is there.</summary>
    public bool IsKnown(long number)
    {
        _ = SlotOf(number);
        return _records.IsThere(RecordOf(number));
    }

    public OptimizerFacts Facts(long number) => new(Read(number).Optimizer);

    /// <summary>Applied steps after a step whose record is there. For -1 those before the first step.</summary>
    public long AppliedAfter(long number, long atFirst) =>
        number < 0 ? atFirst : _records.Read<Record>(RecordOf(number)).Optimizer.Step;

    public float Scale(long number) => SlotOf(number).HasScaler ? Read(number).Scaler.Scale : 1;

    public bool WasChecked(long number) => SlotOf(number).WasChecked;

    /// <summary>
    /// The learning rate of the first group. Waits only if it depends on the number of applied steps.
    /// </summary>
    public double LearningRate(long number)
    {
        Slot slot = SlotOf(number);
        if (slot.Rows == 1)
            return slot.LearningRate;
        NampOptimizerState after = Read(number).Optimizer;
        long before = after.Step - (after.FoundInf != 0 ? 0 : 1);
        return RatesOf(number)[(int)Math.Clamp(before - slot.FirstStep, 0, slot.Rows - 1)];
    }

    public void Dispose() => _records.Dispose();

    private Slot SlotOf(long number) =>
        number >= Next - Length
            ? _slots[number % Length]
            : throw new InvalidOperationException(
                $"The result of step {number} is gone: {Next - number - 1} steps were taken since, and {Length} are "
                    + "kept."
            );

    private Record Read(long number)
    {
        _ = SlotOf(number);
        Record record = _records.Read<Record>(RecordOf(number));
        if (
            record.IndexFact.Count != 0
            && record.IndexFact.Count != _records.Read<Record>(RecordOf(number - 1)).IndexFact.Count
        )
            throw new IndexRangeException(record.IndexFact);
        return record;
    }

    private void KeepIndexFact(int record)
    {
        NampIndexFact* fact = _device.IndexFacts.Pointer;
        if (fact is not null)
            _records.Copy(
                record,
                sizeof(NampOptimizerState) + sizeof(NampScalerState),
                (nint)fact,
                sizeof(NampIndexFact)
            );
    }

    private Span<double> RatesOf(long number) => _severalRates.AsSpan((int)(number % Length) * Length, Length);

    private static int RecordOf(long number) => (int)((number + 1) % Records);

#pragma warning disable CS0649 // The device assigns them.
    private struct Record
    {
        public NampOptimizerState Optimizer;
        public NampScalerState Scaler;
        public NampIndexFact IndexFact;
    }
#pragma warning restore CS0649

    private readonly record struct Slot(double LearningRate, int Rows, long FirstStep, bool WasChecked, bool HasScaler);
}
