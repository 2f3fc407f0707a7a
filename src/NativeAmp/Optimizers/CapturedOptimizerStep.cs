using System.Runtime.InteropServices;
using NativeAmp.Interop;

namespace NativeAmp;

/// <summary>
/// The step of an optimizer in a graph. Before each launch it writes the rows of hyperparameters that the step takes,
/// where they differ from those of the launch before. The graph leaves the step's record on the device; after the
/// launch it is copied to the optimizer's history.
/// </summary>
/// <param name="optimizer">The optimizer, with what a launch asks of it.</param>
internal sealed unsafe class CapturedOptimizerStep(FusedOptimizer optimizer) : IGraphPart
{
    private readonly DeviceBuffer _rows = optimizer.Device.Allocate(
        DType.UInt8,
        sizeof(NampOptimizerRows) + (long)StepHistory.Length * optimizer.Groups.Count * sizeof(NampOptimizerGroup),
        MemoryKind.OptimizerState
    );
    private readonly DeviceBuffer _record = StepHistory.NewRecord(optimizer.Device);
    private (TensorCell[] Gradients, TensorCell[] ComputeCopies) _cells = ([], []);
    private byte[] _written = [];
    private long _firstWritten = -1;
    private LossScaleState? _scaler;
    private GradientCheck? _check;
    private int _rowCount;
    private long _firstStep;

    /// <summary>Device pointer to the rows.</summary>
    public nint Rows => _rows.Pointer;

    /// <summary>Device pointer to the record.</summary>
    public nint Record => _record.Pointer;

    /// <summary>Notes the step that is captured.</summary>
    /// <exception cref="GraphCaptureException">It is the second one.</exception>
    public void Note(LossScaleState? scaler, GradientCheck check)
    {
        if (_check is not null)
            throw new GraphCaptureException(
                "A graph cannot be captured: an optimizer takes a second step in it. Capture one step."
            );
        (_scaler, _check) = (scaler, check);
        _cells = optimizer.Memory.Cells();
    }

    public void Joins() => _check = null;

    public void Captured() { }

    public void Abandoned() { }

    public string? Outdated()
    {
        _ = optimizer.State.Pointer;
        _ = _scaler?.Pointer;
        return null;
    }

    public void BeforeLaunch()
    {
        optimizer.Memory.Restore(_cells.Gradients, _cells.ComputeCopies);
        optimizer.BeforeStep(_check!.Value);
        ReadOnlySpan<NampOptimizerGroup> groups = optimizer.PrepareRows(out _rowCount, out _firstStep);
        // The first row's number of steps means nothing if it is the only one.
        long first = _rowCount > 1 ? _firstStep : -1;
        if (first == _firstWritten && MemoryMarshal.AsBytes(groups).SequenceEqual(_written))
            return;
        optimizer.WriteRows(_rows.Pointer, groups, _rowCount, _firstStep);
        (_written, _firstWritten) = (MemoryMarshal.AsBytes(groups).ToArray(), first);
    }

    public void AfterLaunch() =>
        optimizer.AfterLaunch(_record.Pointer, _scaler, _check!.Value, _cells.Gradients, _rowCount, _firstStep);

    public void Dispose()
    {
        _rows.Dispose();
        _record.Dispose();
    }
}
