namespace NativeAmp.Training;

/// <summary>Times of the steps of one process.</summary>
internal sealed class StepClock
{
    private readonly List<double> _milliseconds = [];
    private double _total;
    private long _samples;

    public void Add(double milliseconds, int samples)
    {
        _milliseconds.Add(milliseconds);
        _total += milliseconds;
        _samples += samples;
    }

    /// <summary>Steps so far.</summary>
    public long Count => _milliseconds.Count;

    /// <summary>Samples per second over all steps; NaN if there was none.</summary>
    public double SamplesPerSecond => _total > 0 ? _samples / (_total / 1000) : double.NaN;

    /// <summary>Median time of a step in milliseconds; NaN if there was none.</summary>
    public double Median()
    {
        if (_milliseconds.Count == 0)
            return double.NaN;
        double[] sorted = [.. _milliseconds.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
