using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace NativeAmp.Benchmarks;

/// <summary>How all benchmarks run: in this process, so that a kernel and its limit see the same machine.</summary>
internal static class BenchmarkConfig
{
    public static IConfig Full { get; } = Of(Job.ShortRun);

    public static IConfig Smoke { get; } = Of(Job.Dry);

    private static ManualConfig Of(Job job) => ManualConfig.CreateEmpty()
        .AddJob(job.WithToolchain(InProcessEmitToolchain.Instance))
        .AddDiagnoser(MemoryDiagnoser.Default)
        .AddColumnProvider(DefaultColumnProviders.Instance)
        .AddColumn(new TrafficColumn(TrafficFigure.Megabytes), new TrafficColumn(TrafficFigure.Bandwidth), new TrafficColumn(TrafficFigure.PerCentOfLimit))
        .AddExporter(MarkdownExporter.GitHub)
        .AddLogger(ConsoleLogger.Default)
        .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60))
        .WithOptions(ConfigOptions.DisableOptimizationsValidator);
}
