namespace NativeAmp.Training;

/// <summary>
/// Owns the outputs of operators while it is open, and releases them when it is disposed: for example those of one
/// batch of an evaluation, or one step of sampling. <see cref="Tensor.Keep"/> takes a tensor out of it. Scopes nest and
/// are closed in reverse order. A scope belongs to the flow of control that opened it. It is in force over <c>await</c>
/// and in tasks started within it, on any thread, and nowhere else.
/// </summary>
public class TensorScope : IDisposable
{
    private static readonly AsyncLocal<TensorScope?> s_innermost = new();

    private readonly TensorScope? _outer;
    private readonly Lock _lock = new();
    private readonly List<Tensor> _tensors = [];
    private bool _closed;

    private protected TensorScope(bool recordsGraph)
    {
        _outer = s_innermost.Value;
        RecordsGraph = recordsGraph && _outer is not { RecordsGraph: false };
        s_innermost.Value = this;
    }

    /// <summary>
    /// The scope in force, or null. A scope that has ended may still be in force in a task that was started within it
    /// and outlives it.
    /// </summary>
    internal static TensorScope? Innermost => s_innermost.Value;

    /// <summary>Whether operators are recorded while this is the innermost scope.</summary>
    internal bool RecordsGraph { get; }

    /// <summary>Opens a scope in this flow of control.</summary>
    public static TensorScope Enter() => new(recordsGraph: true);

    /// <summary>
    /// Closes the scope. The memory of its tensors goes back to the cache, and no backward pass can go over graphs that
    /// were recorded in it.
    /// </summary>
    /// <exception cref="InvalidOperationException">A scope that was opened later is still open, or another flow of
    /// control opened the scope.</exception>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the scope.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        lock (_lock)
        {
            if (_closed)
                return;
            if (s_innermost.Value != this)
            {
                throw new InvalidOperationException(
                    "Scopes are closed in the flow of control that opened them, the innermost first; another is still "
                        + "open, or this is another flow."
                );
            }

            _closed = true;
        }

        s_innermost.Value = _outer;
        foreach (Tensor tensor in _tensors)
        {
            lock (tensor.Device.Gate)
                tensor.Producer?.Release(NodeState.OutOfScope);
            tensor.ReleaseUnlessCallers(
                "the TensorScope (or NoGrad) that it was made in has ended; call Keep() to take it out"
            );
            tensor.ReleaseGradient();
        }

        _tensors.Clear();
    }

    /// <summary>
    /// Gives an operator's output to the innermost open scope. Without a scope it has no owner: backward passes and
    /// modules release it if they are its last user; otherwise the garbage collector does.
    /// </summary>
    internal static void Adopt(Tensor tensor)
    {
        tensor.IsCallers = false;
        for (TensorScope? scope = s_innermost.Value; scope is not null; scope = scope._outer)
        {
            if (scope.TryAdd(tensor))
                return;
        }
    }

    private bool TryAdd(Tensor tensor)
    {
        // Tasks that were started within a scope share it.
        lock (_lock)
        {
            if (!_closed)
                _tensors.Add(tensor);
            return !_closed;
        }
    }
}
