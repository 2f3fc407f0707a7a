using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Reports;

namespace NativeAmp.Benchmarks;

/// <summary>What became of a smoke run.</summary>
internal static class Smoke
{
    /// <summary>0 if every class of this assembly with benchmarks ran, and all of them gave a result.</summary>
    public static int Check(IEnumerable<Summary> summaries)
    {
        Summary[] all = [.. summaries];
        string[] failed = [.. all.SelectMany(summary => summary.Reports).Where(report => !report.Success).Select(report => report.BenchmarkCase.DisplayInfo)];
        IEnumerable<Type> ran = all.SelectMany(summary => summary.Reports).Select(report => report.BenchmarkCase.Descriptor.Type);
        IEnumerable<Type> expected = typeof(Smoke).Assembly.GetTypes().Where(type => !type.IsAbstract
            && type.GetMethods().Any(method => method.IsDefined(typeof(BenchmarkAttribute), inherit: true)));
        string[] missing = [.. expected.Except(ran).Select(type => type.Name)];
        foreach (string name in failed) Console.Error.WriteLine($"failed: {name}");
        foreach (string name in missing) Console.Error.WriteLine($"did not run: {name}");
        Console.WriteLine($"{all.Sum(summary => summary.Reports.Length) - failed.Length} benchmarks ran, {failed.Length} failed, {missing.Length} classes are missing");
        return failed.Length + missing.Length == 0 && all.Length > 0 ? 0 : 1;
    }
}
