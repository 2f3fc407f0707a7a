namespace NativeAmp.Export.Tests;

/// <summary>A folder of one test, removed with its files.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("nativeamp-export-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string[] Files() => [.. Directory.EnumerateFiles(Path).Select(file => System.IO.Path.GetFileName(file))];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
