using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>How far a run has come.</summary>
/// <param name="Step">Steps so far.</param>
/// <param name="Skipped">Of them, skipped ones.</param>
/// <param name="Position">Where it stands in the data.</param>
internal readonly record struct TrainingProgress(long Step, long Skipped, DataPosition Position)
{
    // So that counting on does not overflow.
    private const long Most = long.MaxValue / 2;

    /// <summary>Whether a run of a data set can have come there.</summary>
    public bool IsPossible(long samples) =>
        Step is >= 0 and < Most
        && Skipped >= 0
        && Skipped <= Step
        && Position.Epoch is >= 0 and < Most
        && Position.Sample >= 0
        && Position.Sample <= samples;
}
