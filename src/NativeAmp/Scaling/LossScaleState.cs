using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// A loss scale and the counts of its updates, on the device. Kernels read and write it there, so that the host need
/// not wait.
/// </summary>
public sealed unsafe class LossScaleState : IDisposable
{
    // Each update is given the rule by which the scale changes.
    private const int AnyDelay = int.MaxValue;

    // Not &Native->Scale: C# reads there first, in case it is null, and the host can't read a GPU's memory.
    private static readonly nint ScaleOffset = OffsetOfScale();

    private readonly DeviceBuffer _buffer;

    /// <summary>A scale that begins with these values.</summary>
    public LossScaleState(Device device, GradScalerState initial)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(initial);
        initial.Validate(AnyDelay);
        _buffer = device.Allocate(DType.UInt8, sizeof(NampScalerState), MemoryKind.OptimizerState);
        Write(initial);
    }

    /// <summary>The device.</summary>
    public Device Device => _buffer.Device;

    /// <summary>Device pointer to the native <c>namp_scaler_state</c>.</summary>
    public nint Pointer => _buffer.Pointer;

    /// <summary>Device pointer to the factor of the loss, one float32.</summary>
    public nint ScalePointer => Pointer + ScaleOffset;

    internal NampScalerState* Native => (NampScalerState*)Pointer;

    /// <summary>Copies the values to the host, and waits for them.</summary>
    public GradScalerState Read()
    {
        var native = ReadNative();
        return new GradScalerState
        {
            Scale = native.Scale,
            GrowthTracker = native.GrowthTracker,
            HysteresisLeft = native.HysteresisLeft,
            Updates = native.Steps,
            SkippedUpdates = native.SkippedSteps,
            ConsecutiveSkips = native.ConsecutiveSkips,
        };
    }

    /// <summary>Sets the values.</summary>
    /// <exception cref="ArgumentException">A value is not possible.</exception>
    public void Write(GradScalerState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        state.Validate(AnyDelay);
        var native = new NampScalerState
        {
            Scale = state.Scale,
            // Computed as PyTorch and the kernels do after an update.
            InverseScale = (float)(1.0 / state.Scale),
            GrowthTracker = state.GrowthTracker,
            HysteresisLeft = state.HysteresisLeft,
            Steps = state.Updates,
            SkippedSteps = state.SkippedUpdates,
            ConsecutiveSkips = state.ConsecutiveSkips,
            FoundInf = state.ConsecutiveSkips > 0 ? 1 : 0,
            BadIndices = Device.IndexFacts.Read(Device).Count,
        };
        Device.CopyToDevice(Pointer, new ReadOnlySpan<byte>(&native, sizeof(NampScalerState)));
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => _buffer.Dispose();

    /// <summary>The native state, for work on a stream; null for none.</summary>
    internal static NampScalerState* On(DeviceStream? stream, LossScaleState? state)
    {
        state?._buffer.RecordStream(stream);
        return state is null ? null : state.Native;
    }

    private static nint OffsetOfScale()
    {
        NampScalerState layout;
        return (nint)(&layout.Scale) - (nint)(&layout);
    }

    internal NampScalerState ReadNative() => Device.Read<NampScalerState>(Pointer);
}
