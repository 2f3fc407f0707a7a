using ManagedCuda;
using ManagedCuda.BasicTypes;
using NativeAmp.ManagedCuda;

namespace NativeAmp.Interop.Tests.ManagedCuda;

/// <summary>
/// Tests with a primary context that is current, and NativeAmp's device in it. The types of ManagedCuda are those of
/// tests/managedcuda.
/// </summary>
public abstract class ManagedCudaTests
{
    protected const int Count = 100;

    protected static readonly float[] Values = Rounded.Numbers(Count);

    protected PrimaryContext Context { get; private set; } = null!;

    protected Device Device { get; private set; } = null!;

    /// <summary>The cell that a thread without a context makes, and the context that it has afterwards.</summary>
    protected static (TensorCell Cell, nint After) CellOfABareThread(CudaDeviceVariable<float> variable, Device device)
    {
        TensorCell cell = default;
        CUcontext after = new() { Pointer = 1 };
        NewThread.Run(() =>
        {
            cell = variable.ToCell(device);
            DriverAPINativeMethods.ContextManagement.cuCtxGetCurrent(ref after);
        });
        return (cell, after.Pointer);
    }

    [SetUp]
    public void Open()
    {
        // Skips, or fails, where there is no GPU.
        DeviceKind.Cuda.Open().Dispose();
        Context = new PrimaryContext(0);
        Context.PushContext();
        Device = Context.OpenDevice();
    }

    [TearDown]
    public void Close()
    {
        if (Context is null)
            return;
        Device.Dispose();
        Context.PopContext();
        Context.Dispose();
        Context = null!;
    }
}
