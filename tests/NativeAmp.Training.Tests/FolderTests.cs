namespace NativeAmp.Training.Tests;

/// <summary>Tests that have a new, empty folder each.</summary>
public abstract class FolderTests
{
    /// <summary>The folder, which is gone after the test.</summary>
    protected string Folder { get; private set; } = "";

    [SetUp]
    public void MakeFolder() => Folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(Folder, recursive: true);
}
