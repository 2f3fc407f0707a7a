using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// What an optimizer's and its scaler's state were after each of the last steps, brought to the host in the order of
/// the device's work, so that a result can be looked at later without the host having waited for it.
/// </summary>
internal sealed unsafe class StepHistory : IDisposable
{
    /// <summary>Steps that are kept.</summary>
    public const int Length = 64;

    // One more than are kept: whether a step met a label out of range is seen by comparing it with the step before.
    private const int Records = Length + 1;

    private readonly Device _device;
    private readonly Readback _records;
    private readonly Slot[] _slots = new Slot[Length];
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

    /// <summary>
    /// Number of the last step whose record is there, as far as can be known without waiting for it; -1 for none.
    /// </summary>
    public long Known
    {
        get
        {
            // What fell out of the ring was overwritten by what came after it.
            _known = Math.Max(_known, Next - Length - 1);
            while (_known < Next - 1 && _records.IsThere(RecordOf(_known + 1)))
                _known++;
            return _known;
        }
    }

    /// <summary>Keeps a step; returns its number.</summary>
    /// <param name="state">The optimizer's state.</param>
    /// <param name="scaler">The scale that its gradients carried, or null.</param>
    /// <param name="learningRates">The first group's, for each number of applied steps that it may have begun
    /// with.</param>
    /// <param name="firstStep">The first of these numbers.</param>
    /// <param name="wasChecked">Whether the gradients were.</param>
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
        ref Slot slot = ref _slots[Next % Length];
        double[]? several =
            learningRates.Length == 1 ? null
            : slot.LearningRates is { } kept && kept.Length >= learningRates.Length ? kept
            : new double[Length];
        if (several is not null)
            learningRates.CopyTo(several);
        slot = new Slot(learningRates[0], several, learningRates.Length, firstStep, wasChecked, scaler is not null);
        return Next++;
    }

    /// <summary>Whether a step's record is there.</summary>
    public bool IsKnown(long number)
    {
        _ = SlotOf(number);
        return _records.IsThere(RecordOf(number));
    }

    public OptimizerFacts Facts(long number) => new(Read(number).Optimizer);

    /// <summary>
    /// Steps that were applied when a step, whose record is there, was over; those before the first one for -1.
    /// </summary>
    public long AppliedAfter(long number, long atFirst) =>
        number < 0 ? atFirst : _records.Read<Record>(RecordOf(number)).Optimizer.Step;

    public float Scale(long number) => SlotOf(number).HasScaler ? Read(number).Scaler.Scale : 1;

    public bool WasChecked(long number) => SlotOf(number).WasChecked;

    /// <summary>The first group's; waits only where it depends on how many steps were applied.</summary>
    public double LearningRate(long number)
    {
        Slot slot = SlotOf(number);
        if (slot.LearningRates is null)
            return slot.LearningRate;
        NampOptimizerState after = Read(number).Optimizer;
        long before = after.Step - (after.FoundInf != 0 ? 0 : 1);
        return slot.LearningRates[Math.Clamp(before - slot.FirstStep, 0, slot.Rows - 1)];
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

    private static int RecordOf(long number) => (int)((number + 1) % Records);

#pragma warning disable CS0649 // The device assigns them.
    private struct Record
    {
        public NampOptimizerState Optimizer;
        public NampScalerState Scaler;
        public NampIndexFact IndexFact;
    }
#pragma warning restore CS0649

    private readonly record struct Slot(
        double LearningRate,
        double[]? LearningRates,
        int Rows,
        long FirstStep,
        bool WasChecked,
        bool HasScaler
    );
}
