using System.Runtime.InteropServices;

namespace NativeAmp.Benchmarks;

/// <summary>The number of threads of OpenMP regions that this thread begins, while this lives.</summary>
internal sealed partial class OpenMpThreads : IDisposable
{
    private readonly int _before = Get();

    public OpenMpThreads(int threads) => Set(threads);

    public void Dispose() => Set(_before);

    [LibraryImport("libgomp.so.1", EntryPoint = "omp_get_max_threads")]
    private static partial int Get();

    [LibraryImport("libgomp.so.1", EntryPoint = "omp_set_num_threads")]
    private static partial void Set(int threads);
}
