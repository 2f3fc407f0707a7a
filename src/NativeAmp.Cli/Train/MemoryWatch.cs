using System.Text.Json;

namespace NativeAmp.Cli.Train;

/// <summary>
/// Measures a run's memory: by kind for a step, and the peaks of the whole run. Steps count from the second one to the
/// end of the first epoch, because a test has other batches.
/// </summary>
internal sealed class MemoryWatch(Device device)
{
    private DeviceMemoryStatistics? _first;
    private bool _tested;

    /// <summary>A step's memory; null before the first.</summary>
    public StepMemory? Step { get; private set; }

    /// <summary>Records a finished step.</summary>
    public void StepDone()
    {
        if (_tested)
            return;
        DeviceMemoryStatistics now = device.MemoryStatistics;
        Step = StepMemory.Of(now);
        if (_first is not null)
            return;
        _first = now;
        device.ResetPeakMemory();
    }

    /// <summary>Records a finished epoch, after its test.</summary>
    public void EpochDone() => _tested = true;

    /// <summary>Peak bytes in use since the run began, in total and of each kind, under their names in JSON.</summary>
    public IReadOnlyDictionary<string, long> Peaks()
    {
        DeviceMemoryStatistics now = device.MemoryStatistics;
        var peaks = new OrderedDictionary<string, long>
        {
            ["total"] = Math.Max(now.PeakTotalBytes, _first?.PeakTotalBytes ?? 0),
        };
        foreach (MemoryKind kind in DeviceMemoryStatistics.Kinds)
            peaks.Add(
                JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString()),
                Math.Max(now.PeakBytes(kind), _first?.PeakBytes(kind) ?? 0)
            );
        return peaks;
    }
}
