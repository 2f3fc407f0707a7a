namespace NativeAmp.Training;

/// <summary>
/// A training step that a GPU takes as one launch: its work is captured as a CUDA graph (<c>torch.cuda.graph</c>),
/// which spares the host the calls for each operator. The first calls do the step as it is written; the next captures
/// it, and all from then on launch the graph. The results have the bits of a step that is not captured.
/// </summary>
/// <remarks>
/// <para>A launch repeats the work with the memory and the numbers of the capture, and not the code. Inputs are
/// therefore tensors that are written before each call (<see cref="Tensor.CopyFrom"/>), of one shape. These go on as
/// ever: the loss scale, skipped steps and their limits, the learning rate with its schedule, other hyperparameters of
/// the groups, dropout's masks, step counts, <see cref="FusedOptimizer.LastStep"/>. Steps and backward passes outside
/// are allowed between calls.</para>
/// <para>The step must not read a value on the host (<see cref="Tensor.Item"/>, <see cref="StepResult.Read"/>), copy
/// from the host, wait, or create streams; it takes one step of each optimizer at most. What it computes may depend on
/// nothing else that changes: not on a condition of the host, a mode of a module, or a number such as <see
/// cref="FusedOptimizer.ClipGradNorm"/>'s.</para>
/// <para>The memory of the step's intermediates stays with the graph until it is disposed or <see cref="Release"/> is
/// called. On the CPU, where there are no graphs, every call does the step.</para>
/// </remarks>
public sealed class CapturedStep : IDisposable
{
    // The first allocates gradients and compute copies; the second finds everything in its place.
    private const int CallsBefore = 2;

    private readonly Func<Tensor> _step;
    private readonly DeviceGraph? _graph;
    private Tensor? _output;
    private int _callsLeft = CallsBefore;
    private bool _disposed;

    /// <summary>A step that has not been called.</summary>
    /// <param name="device">The device of its work.</param>
    /// <param name="step">
    /// Does the step, and returns its loss, or another tensor. The first calls, and one more, call it.
    /// </param>
    public CapturedStep(Device device, Func<Tensor> step)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(step);
        _step = step;
        _graph = device.IsHostMemory ? null : new DeviceGraph(device);
    }

    /// <summary>Whether the step is captured: calls launch a graph.</summary>
    public bool IsCaptured => _graph is { IsCaptured: true };

    /// <summary>Why the captured step cannot be launched as it is; null if it can, or is not captured.</summary>
    internal string? Outdated => _graph?.Outdated();

    /// <summary>Does the step.</summary>
    /// <returns>The step's tensor, valid until the next call. It belongs to this object.</returns>
    /// <exception cref="GraphCaptureException">The step cannot be captured; the message says what in it. It was not
    /// done, and nothing was changed: <see cref="RunUncaptured"/> does it.</exception>
    /// <exception cref="InvalidOperationException">A gradient or a compute copy is not where it was when the step was
    /// captured, or a generator was reseeded. The step was not done; call <see cref="Release"/> and then this
    /// again.</exception>
    public Tensor Run()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_graph is null || _callsLeft > 0)
            return RunUncaptured();
        if (!_graph.IsCaptured)
            Do(_graph.Capture);
        _graph.Launch();
        return _output!;
    }

    /// <summary>Does the step as it is written; it counts as one of the first calls.</summary>
    /// <returns>As <see cref="Run"/>.</returns>
    public Tensor RunUncaptured()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        // The graph's own memory holds its output.
        if (_graph is { IsCaptured: true })
            Release();
        Do(_graph is null ? step => step() : _graph.Prepare);
        _callsLeft = Math.Max(0, _callsLeft - 1);
        return _output!;
    }

    /// <summary>
    /// Gives the graph and its memory back. The next call does the step as it is written, the one after it captures it
    /// anew.
    /// </summary>
    public void Release()
    {
        DropOutput();
        _graph?.Release();
        _callsLeft = Math.Max(1, _callsLeft);
    }

    /// <summary>Gives the graph, its memory and its output back.</summary>
    public void Dispose()
    {
        _disposed = true;
        DropOutput();
        _graph?.Dispose();
    }

    private void Do(Action<Action> how)
    {
        DropOutput();
        using TensorScope scope = TensorScope.Enter();
        how(() => _output = _step());
        _output = _output!.Keep();
    }

    private void DropOutput()
    {
        _output?.Dispose();
        _output = null;
    }
}
