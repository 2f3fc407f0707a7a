using NativeAmp.Cli.Study;

namespace NativeAmp.Training.Tests.Study;

/// <summary>How a study starts its runs.</summary>
public class ChildRunTests
{
    [TestCase("/opt/nativeamp/NativeAmp.Cli", true, TestName = "Self-contained on Linux")]
    [TestCase("/opt/nativeamp/NativeAmp.Cli.exe", true, TestName = "Self-contained on Windows")]
    [TestCase("/usr/bin/dotnet", false, TestName = "Run by dotnet")]
    [TestCase("/usr/bin/NativeAmp", false, TestName = "Another program of a shorter name")]
    public void An_executable_is_the_command_by_its_whole_name(string path, bool isCommand) =>
        Assert.That(ChildRun.IsCommand(path), Is.EqualTo(isCommand));
}
