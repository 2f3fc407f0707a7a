using System.Text.Json;

namespace NativeAmp.Cli.Train;

/// <summary>
/// Counts a run's memory: by kind for a step, from the second one of the run to the end of its first epoch (a test
/// takes other batches), and the peaks of the whole run.
/// </summary>
internal sealed class MemoryWatch(Device device)
{
    private DeviceMemoryStatistics? _first;
    private bool _tested;

    /// <summary>A step's memory; null before the first.</summary>
    public StepMemory? Step { get; private set; }

    /// <summary>Takes notice of a finished step.</summary>
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

    /// <summary>Takes notice of a finished epoch, whose test has been run.</summary>
    public void EpochDone() => _tested = true;

    /// <summary>Most bytes in use since the run began, in total and of each kind, under their names in JSON.</summary>
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
