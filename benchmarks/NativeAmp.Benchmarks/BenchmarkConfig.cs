using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace NativeAmp.Benchmarks;

/// <summary>
/// The configuration of all benchmarks: they run in this process, so that a kernel and its alternatives run under the
/// same conditions; by the device's clock, and with medians.
/// </summary>
internal static class BenchmarkConfig
{
    // Hundreds of benchmarks in ten minutes. An unroll of more than one would make an iteration of a slow kernel that
    // much longer.
    public static IConfig Full { get; } =
        Of(
            Job.Default.WithId("Median")
                .WithWarmupCount(1)
                .WithIterationCount(9)
                .WithIterationTime(TimeInterval.FromMilliseconds(50))
                .WithUnrollFactor(1)
        );

    public static IConfig Smoke { get; } = Of(Job.Dry);

    private static ManualConfig Of(Job job) =>
        ManualConfig
            .CreateEmpty()
            .AddJob(job.WithToolchain(InProcessEmitToolchain.Instance).WithClock(DeviceClock.Instance))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .AddColumnProvider(
                DefaultColumnProviders.Descriptor,
                DefaultColumnProviders.Job,
                DefaultColumnProviders.Params,
                DefaultColumnProviders.Metrics
            )
            .AddColumn(StatisticColumn.Median, StatisticColumn.Q1, StatisticColumn.Q3)
            .AddColumn(TrafficColumn.All)
            .AddExporter(MarkdownExporter.GitHub)
            .AddLogger(ConsoleLogger.Default)
            .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60))
            .WithOptions(ConfigOptions.DisableOptimizationsValidator);
}
