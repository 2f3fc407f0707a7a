using System.Globalization;
using NativeAmp.Reports;

namespace NativeAmp.Cli.Study;

/// <summary>
/// Charts over time: a GPU's power, memory, utilization, time accessing memory and temperature; on a CPU utilization
/// and resident memory.
/// </summary>
internal sealed class TelemetryPanels(StudyFigures figures, StudyCharts charts)
{
    private const int Points = 60;

    private static readonly (string Key, string Title, string Unit, string File)[] Gpu =
    [
        ("powerPercent", "Power", "% of the limit", "power"),
        ("memoryAllocated", "Memory allocated", "%", "memory-allocated"),
        ("gpu", "Utilization", "% of the time", "utilization"),
        ("memory", "Time accessing memory", "% of the time", "memory-access"),
        ("temp", "Temperature", "°C", "temperature"),
    ];

    private static readonly (string Key, string Title, string Unit, string File)[] Cpu =
    [
        ("cpu", "CPU utilization", "%", "cpu"),
        ("proc.memory.rssMB", "Resident memory", "MB", "resident-memory"),
    ];

    private readonly RunFigures[] _runs = [.. figures.Configurations.SelectMany(c => c.Done)];

    /// <summary>The charts of a batch, with a line for every repeat.</summary>
    public IEnumerable<NamedChart> Of(int batch)
    {
        foreach ((string key, string title, string unit, string file) in Panels.Where(panel => IsMeasured(panel.Key)))
        {
            var chart = new Chart(
                string.Create(CultureInfo.InvariantCulture, $"{title}, batch {batch}"),
                "seconds",
                unit
            );
            foreach (
                IGrouping<string, RunFigures> precision in _runs
                    .Where(run => run.Run.Configuration.Batch == batch)
                    .GroupBy(run => run.Run.Configuration.Precision)
            )
            {
                string name = Words.Precision(precision.Key);
                foreach (RunFigures run in precision)
                {
                    (double[] xs, double[] ys) = Thin(run.Telemetry.Series(key));
                    if (xs.Length == 0)
                        continue;
                    chart.Line(name, xs, ys, charts.Color(precision.Key));
                    name = "";
                }
            }

            if (chart.Series.Count > 0)
                yield return new NamedChart(string.Create(CultureInfo.InvariantCulture, $"{file}-b{batch}"), chart);
        }
    }

    /// <summary>Sentences about charts that are missing, and why.</summary>
    public IEnumerable<string> NotAvailable()
    {
        if (!_runs.Any(run => run.Telemetry.Names.Count > 0))
        {
            yield return "No telemetry was written beside these runs, so that there are no panels over time.";
            yield break;
        }

        Dictionary<string, string> reasons = _runs
            .SelectMany(run => run.Telemetry.NotAvailable)
            .DistinctBy(pair => pair.Key)
            .ToDictionary();
        if (!figures.IsGpu)
            yield return "Power, memory allocated, utilization, time accessing memory and temperature are a GPU's, "
                + "and these runs used none: instead the CPU's utilization and the resident memory of the process are "
                + "shown.";
        foreach ((string key, string title, _, _) in Panels.Where(panel => !IsMeasured(panel.Key)))
            yield return $"{title} ({key}) was not "
                + $"available{(reasons.TryGetValue(key, out string? why) ? $": {why.TrimEnd('.')}" : " in any run")}.";
        foreach (
            (string name, string reason) in reasons.Where(pair =>
                Panels.All(panel => panel.Key != pair.Key) && !IsMeasured(pair.Key)
            )
        )
            yield return $"{name} was not available: {reason.TrimEnd('.')}.";
    }

    private IEnumerable<(string Key, string Title, string Unit, string File)> Panels =>
        figures.IsGpu ? Gpu.Select(panel => panel with { Key = $"gpu.{Index}.{panel.Key}" }) : Cpu;

    // The GPU with samples: a study runs on one.
    private string Index =>
        _runs
            .SelectMany(run => run.Telemetry.Names)
            .Where(name => name.StartsWith("gpu.", StringComparison.Ordinal))
            .Select(name => name.Split('.')[1])
            .FirstOrDefault()
        ?? "0";

    private bool IsMeasured(string key) => _runs.Any(run => run.Telemetry.Series(key).Count > 0);

    private static (double[] Xs, double[] Ys) Thin(IReadOnlyList<(double Seconds, double Value)> points)
    {
        int count = Math.Min(Points, points.Count);
        int[] places =
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => (int)((long)i * (points.Count - 1) / Math.Max(1, count - 1)))
                .Distinct(),
        ];
        return ([.. places.Select(i => points[i].Seconds)], [.. places.Select(i => points[i].Value)]);
    }
}
