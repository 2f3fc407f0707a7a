namespace NativeAmp.Training.Tests.Autograd;

/// <summary>Tests that each have a device to themselves, and no other tensors than their own.</summary>
internal abstract class DeviceTests(DeviceKind kind)
{
    protected DeviceKind Kind => kind;

    protected Device Device { get; private set; } = null!;

    [SetUp]
    public void OpenDevice() => Device = kind.Open();

    [TearDown]
    public void CloseDevice()
    {
        Device.Dispose();
    }
}
