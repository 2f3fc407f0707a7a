using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>The progress of a run.</summary>
/// <param name="Step">Steps so far.</param>
/// <param name="Skipped">Number of them that were skipped.</param>
/// <param name="Position">The position in the data.</param>
internal readonly record struct TrainingProgress(long Step, long Skipped, DataPosition Position)
{
    // A limit, so that counting on does not overflow.
    private const long Most = long.MaxValue / 2;

    /// <summary>Whether a run over a data set of this many samples can have this progress.</summary>
    public bool IsPossible(long samples) =>
        Step is >= 0 and < Most
        && Skipped >= 0
        && Skipped <= Step
        && Position.Epoch is >= 0 and < Most
        && Position.Sample >= 0
        && Position.Sample <= samples;
}
