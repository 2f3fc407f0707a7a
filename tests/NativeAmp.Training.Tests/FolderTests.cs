namespace NativeAmp.Training.Tests;

/// <summary>Base of tests with a new, empty folder for each.</summary>
public abstract class FolderTests
{
    /// <summary>The folder, which is deleted after the test.</summary>
    protected string Folder { get; private set; } = "";

    [SetUp]
    public void MakeFolder() => Folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(Folder, recursive: true);
}
