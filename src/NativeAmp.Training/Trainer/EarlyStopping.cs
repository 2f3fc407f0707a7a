using System.Globalization;

namespace NativeAmp.Training;

/// <summary>Ends a run when passes over the data no longer improve a value.</summary>
/// <remarks>Its best value is not part of checkpoints: a run that resumes counts anew.</remarks>
/// <example>
/// <code>
/// new EarlyStopping(patience: 3).Attach(trainer);
/// </code>
/// </example>
public sealed class EarlyStopping
{
    private readonly int _patience;
    private readonly double _minimumChange;
    private readonly Func<EpochReport, double?> _value;
    private int _since;

    /// <summary>Watches a value.</summary>
    /// <param name="patience">Passes without an improvement that end the run, 1 or more.</param>
    /// <param name="value">
    /// The value of a pass; smaller is better, so negate an accuracy. Null takes the test loss, else the share of the
    /// test set that is classified wrongly, else the mean loss. A value that is null or NaN is no improvement.
    /// </param>
    /// <param name="minimumChange">The improvement has to be larger than this, 0 or more.</param>
    public EarlyStopping(int patience, Func<EpochReport, double?>? value = null, double minimumChange = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(patience);
        if (!(minimumChange >= 0 && double.IsFinite(minimumChange)))
            throw new ArgumentOutOfRangeException(
                nameof(minimumChange),
                minimumChange,
                "An improvement is finite and 0 or more."
            );
        _patience = patience;
        _minimumChange = minimumChange;
        _value = value ?? (epoch => epoch.TestLoss ?? 1 - epoch.TestAccuracy ?? epoch.MeanLoss);
    }

    /// <summary>The best value so far; infinity before the first.</summary>
    public double Best { get; private set; } = double.PositiveInfinity;

    /// <summary>The pass with the best value, from 1; 0 before the first.</summary>
    public long BestEpoch { get; private set; }

    /// <summary>Watches a trainer's run from now on.</summary>
    public void Attach(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        trainer.EpochCompleted += (_, epoch) => Watch(trainer, epoch);
    }

    private void Watch(Trainer trainer, EpochReport epoch)
    {
        if (_value(epoch) is { } value && Best - value > _minimumChange)
        {
            (Best, BestEpoch, _since) = (value, epoch.Epoch, 0);
            return;
        }

        if (++_since >= _patience)
            trainer.Stop(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"No improvement in {_patience} passes: the best value is {Best:G6}, of pass {BestEpoch}."
                )
            );
    }
}
