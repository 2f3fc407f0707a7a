using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// The findings of a check and the step count of an optimizer, on the device. Kernels read and write them there, so
/// that the host need not wait.
/// </summary>
public sealed unsafe class OptimizerState : IDisposable
{
    private readonly DeviceBuffer _buffer;

    /// <summary>The state of an optimizer that has taken no step.</summary>
    public OptimizerState(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        _buffer = device.Allocate(DType.UInt8, sizeof(NampOptimizerState), MemoryKind.OptimizerState);
        _buffer.Clear();
    }

    /// <summary>The device.</summary>
    public Device Device => _buffer.Device;

    /// <summary>Device pointer to the native <c>namp_optimizer_state</c>.</summary>
    public nint Pointer => _buffer.Pointer;

    internal NampOptimizerState* Native => (NampOptimizerState*)Pointer;

    /// <summary>The native state, for work on a stream.</summary>
    internal NampOptimizerState* On(DeviceStream? stream)
    {
        _buffer.RecordStream(stream);
        return Native;
    }

    /// <summary>Copies the values to the host, and waits for them.</summary>
    public OptimizerFacts Read() => new(Device.Read<NampOptimizerState>(Pointer));

    /// <summary>Resets the state to this number of applied steps.</summary>
    public void Reset(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        var native = new NampOptimizerState { Step = step, FirstNonFiniteTensor = -1 };
        Device.CopyToDevice(Pointer, new ReadOnlySpan<byte>(&native, sizeof(NampOptimizerState)));
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => _buffer.Dispose();

    /// <summary>Clears the findings of the last check, for a step without one.</summary>
    internal void ForgetFindings()
    {
        // Not &Native->FoundInf: C# reads there first, in case it is null, and the host can't read a GPU's memory.
        NampOptimizerState layout;
        nint start = (nint)(&layout);
        Device.FillMemory(Pointer + (nint)(&layout.FoundInf) - start, 0, sizeof(int));
        Device.FillMemory(Pointer + (nint)(&layout.Unscaled) - start, 0, sizeof(int));
    }
}

/// <summary>An <see cref="OptimizerState"/> as read.</summary>
public readonly record struct OptimizerFacts
{
    internal OptimizerFacts(in NampOptimizerState native)
    {
        Step = native.Step;
        FoundInf = native.FoundInf != 0;
        Unscaled = native.Unscaled != 0;
        GradientNorm = native.GradientNorm;
        ClipCoefficient = native.ClipCoefficient;
        NonFiniteCount = native.NonFiniteCount;
        FirstNonFiniteTensor = native.FirstNonFiniteTensor;
    }

    /// <summary>Steps applied; a skipped one does not count.</summary>
    public long Step { get; }

    /// <summary>Whether the last check found that its gradients must not be applied.</summary>
    public bool FoundInf { get; }

    /// <summary>Whether the gradients in memory are unscaled already.</summary>
    public bool Unscaled { get; }

    /// <summary>Global L2 norm of the unscaled gradients, before clipping; not finite on overflow.</summary>
    public float GradientNorm { get; }

    /// <summary>The factor by which clipping multiplied the gradients of the last step; 1 without clipping.</summary>
    public float ClipCoefficient { get; }

    /// <summary>Number of elements that are not finite, over all tensors.</summary>
    public long NonFiniteCount { get; }

    /// <summary>Table index of the first tensor with such an element; -1 if there is none.</summary>
    public long FirstNonFiniteTensor { get; }
}
