using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace NativeAmp.Benchmarks;

/// <summary>Runs everything once, at sizes too small to measure speed.</summary>
internal static class Smoke
{
    /// <summary>
    /// 0 if every class of this assembly with benchmarks ran on every device, all of them gave a result, and the
    /// reports were written.
    /// </summary>
    public static int Run()
    {
        Scenario.Smoke = true;
        Report();
        return Check([
            .. BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(["--filter", "*"], BenchmarkConfig.Smoke),
        ]);
    }

    private static void Report()
    {
        OverheadReport.Write([1, 3], secondsARow: 0.001);
        TensorCountReport.Write(3000, [1, 3], secondsARow: 0.001);
        LibraryReport.Write(secondsARow: 0.001);
        NetworkConvolutions.Write([1], secondsACell: 0.001);
        IntegerReport.Write(width: 64, [1, 3], threads: 1, secondsARow: 0.001);
        IntegerLibraries.Write([(64, 48)], [1, 5], threads: [1], secondsACell: 0.001);
        ConvolutionReport.Write(images: 1, threads: 1, secondsARow: 0.001);
        if (Environment.GetEnvironmentVariable("NATIVEAMP_CUDA_LIBRARY") is not null)
        {
            RecordedWork.Gpt(vocabulary: 50, batch: 2);
            RecordedWork.Convolutions(batch: 1);
        }
        DirectoryInfo folder = Directory.CreateTempSubdirectory("nativeamp-plots");
        BandwidthPlots.Write(folder.FullName, [1 << 10, 1 << 12], secondsAPoint: 0.001);
        foreach (string file in BandwidthPlots.Files(folder.FullName))
        {
            if (new FileInfo(file).Length == 0)
                throw new InvalidOperationException($"{file} is empty.");
        }
        folder.Delete(recursive: true);
    }

    private static int Check(Summary[] summaries)
    {
        BenchmarkReport[] reports = [.. summaries.SelectMany(summary => summary.Reports)];
        string[] failed =
        [
            .. reports.Where(report => !report.Success).Select(report => report.BenchmarkCase.DisplayInfo),
        ];
        string[] missing =
        [
            .. Expected()
                .Except(reports.Select(report => RanOf(report.BenchmarkCase)))
                .Select(one => $"{one.Class.Name}.{one.Method} {one.Kind}"),
        ];
        foreach (string name in failed)
            Console.Error.WriteLine($"failed: {name}");
        foreach (string name in missing)
            Console.Error.WriteLine($"did not run: {name}");
        Console.WriteLine(
            $"{reports.Length - failed.Length} benchmarks ran ({string.Join(", ", Kinds)}), {failed.Length} failed, "
                + $"{missing.Length} are missing"
        );
        return failed.Length + missing.Length == 0 && reports.Length > 0 ? 0 : 1;
    }

    // A requested GPU that is not there counts as missing.
    private static IEnumerable<DeviceKind> Kinds =>
        Environment.GetEnvironmentVariable("NATIVEAMP_CUDA_LIBRARY") is null
            ? DeviceBenchmark.Kinds
            : [DeviceKind.Cpu, DeviceKind.Cuda];

    private static IEnumerable<(Type Class, string Method, DeviceKind Kind)> Expected() =>
        from type in typeof(Smoke).Assembly.GetTypes()
        where !type.IsAbstract
        from method in type.GetMethods()
        where method.IsDefined(typeof(BenchmarkAttribute), inherit: true)
        from kind in OnTheCpuAlone(type) ? [DeviceKind.Cpu] : Kinds
        select (type, method.Name, kind);

    private static (Type Class, string Method, DeviceKind Kind) RanOf(BenchmarkCase benchmark) =>
        (benchmark.Descriptor.Type, benchmark.Descriptor.WorkloadMethod.Name, KindOf(benchmark));

    private static DeviceKind KindOf(BenchmarkCase benchmark) =>
        benchmark.Parameters["Scenario"] is Scenario scenario ? scenario.Kind
        : benchmark.Parameters["Kind"] is DeviceKind kind ? kind
        : DeviceKind.Cpu;

    // .NET's own code, and what a call costs the host.
    private static bool OnTheCpuAlone(Type type) =>
        !type.IsAssignableTo(typeof(DeviceBenchmark)) || type.IsAssignableTo(typeof(AlternativesBenchmark));
}
