namespace NativeAmp.Export.Tests;

/// <summary>The device of all tests here: a file does not depend on the device that a model is on.</summary>
[SetUpFixture]
public class Processor
{
    internal static Device Cpu { get; private set; } = null!;

    [OneTimeSetUp]
    public void Open() => Cpu = Device.Cpu(threads: 2);

    [OneTimeTearDown]
    public void Close() => Cpu.Dispose();
}
