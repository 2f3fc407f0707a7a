using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using NativeAmp.Cli.Bench;

namespace NativeAmp.Benchmarks;

/// <summary>
/// A column of the kernels of a step: the bytes that a kernel moves, its speed, or its ratio to another way of moving
/// them.
/// </summary>
internal sealed class TrafficColumn : IColumn
{
    private readonly Func<Summary, BenchmarkCase, double?> _value;

    private TrafficColumn(string name, int place, string legend, Func<Summary, BenchmarkCase, double?> value)
    {
        ColumnName = name;
        PriorityInCategory = place;
        Legend = legend;
        _value = value;
    }

    /// <summary>All columns. A column without values in a summary is not shown.</summary>
    public static IColumn[] All { get; } =
    [
        new TrafficColumn(
            "MB",
            0,
            "Megabytes that one call of NativeAmp's kernel reads and writes, were each moved once",
            (_, benchmark) => BytesOf(benchmark) * 1e-6
        ),
        new TrafficColumn("GB/s", 1, "Gigabytes by the median", Bandwidth),
        new TrafficColumn(
            "% of limit",
            2,
            "Time of the same loads and stores without arithmetic by this time, in turns in the same process, median "
                + "of the ratios",
            (_, benchmark) => 100 * InTurns.Of(benchmark)?.FractionOfLimit
        ),
        new TrafficColumn(
            "% of copy",
            3,
            "The same of a copy on the device of as many bytes, half read and half written",
            (_, benchmark) => 100 * InTurns.Of(benchmark)?.FractionOfCopy
        ),
        new TrafficColumn(
            "x NativeAmp",
            4,
            "This time by that of NativeAmp's kernel, in turns in the same process, median of the ratios",
            (_, benchmark) => InTurns.Of(benchmark)?.TimesNativeAmp
        ),
    ];

    public string Id => nameof(TrafficColumn) + ColumnName;

    public string ColumnName { get; }

    public string Legend { get; }

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory { get; }

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) =>
        summary.BenchmarksCases.Any(benchmark => _value(summary, benchmark) is not null);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        GetValue(summary, benchmarkCase, SummaryStyle.Default);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        _value(summary, benchmarkCase) is { } value
            ? value.ToString(
                value >= 100 ? "0"
                    : value >= 10 ? "0.0"
                    : "0.00",
                CultureInfo.InvariantCulture
            )
            : "-";

    private static long? BytesOf(BenchmarkCase benchmark) =>
        benchmark.Parameters[nameof(StepBenchmark.Scenario)] is Scenario scenario
        && benchmark.Descriptor.Type.IsAssignableTo(typeof(StepBenchmark))
            ? ((StepBenchmark)Activator.CreateInstance(benchmark.Descriptor.Type)!).Kernel.Bytes(scenario.Shape)
            : null;

    private static double? Bandwidth(Summary summary, BenchmarkCase benchmark) =>
        BytesOf(benchmark) is { } bytes && summary[benchmark]?.ResultStatistics?.Median is { } nanoseconds
            ? BenchRow.Bandwidth(bytes, nanoseconds * 1e-9)
            : null;
}
