namespace NativeAmp.Training.Tests.Autograd;

/// <summary>Base of tests that have their own device, without tensors of other tests.</summary>
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
