using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace NativeAmp.Benchmarks;

/// <summary>What a <see cref="TrafficColumn"/> shows.</summary>
internal enum TrafficFigure
{
    Megabytes,
    Bandwidth,
    PerCentOfLimit,
}

/// <summary>The bytes that a kernel moves, how fast, and how near that is to moving them without computing anything.</summary>
internal sealed class TrafficColumn(TrafficFigure figure) : IColumn
{
    public string Id => nameof(TrafficColumn) + figure;

    public string ColumnName => figure switch
    {
        TrafficFigure.Megabytes => "MB",
        TrafficFigure.Bandwidth => "GB/s",
        _ => "% of limit",
    };

    public string Legend => figure switch
    {
        TrafficFigure.Megabytes => "Megabytes that one call reads and writes, were each moved once",
        TrafficFigure.Bandwidth => "Gigabytes by the mean",
        _ => "Mean of the limit, the same loads and stores without arithmetic in the same process, by this mean",
    };

    public bool AlwaysShow => false;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => (int)figure;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(one => one.Descriptor.Type.IsAssignableTo(typeof(StepBenchmark)));

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style)
    {
        if (benchmarkCase.Parameters[nameof(StepBenchmark.Scenario)] is not Scenario scenario) return "-";
        var benchmark = (StepBenchmark)Activator.CreateInstance(benchmarkCase.Descriptor.Type)!;
        double bytes = benchmark.Kernel.Bytes(scenario.Shape);
        double nanoseconds = Mean(summary, benchmarkCase);
        double value = figure switch
        {
            TrafficFigure.Megabytes => bytes * 1e-6,
            TrafficFigure.Bandwidth => bytes / nanoseconds,
            _ => 100 * Mean(summary, LimitOf(summary, benchmarkCase)) / nanoseconds,
        };
        return double.IsFinite(value) ? value.ToString(value >= 100 ? "0" : "0.0##", CultureInfo.InvariantCulture) : "-";
    }

    private static BenchmarkCase? LimitOf(Summary summary, BenchmarkCase benchmarkCase) => summary.BenchmarksCases.FirstOrDefault(other =>
        other.Descriptor.Type == benchmarkCase.Descriptor.Type && other.Parameters.DisplayInfo == benchmarkCase.Parameters.DisplayInfo
        && other.Descriptor.WorkloadMethod.Name == nameof(StepBenchmark.Limit));

    private static double Mean(Summary summary, BenchmarkCase? benchmarkCase) =>
        benchmarkCase is null ? double.NaN : summary[benchmarkCase]?.ResultStatistics?.Mean ?? double.NaN;
}
