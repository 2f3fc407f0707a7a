namespace NativeAmp.Training;

/// <summary>
/// Owns what operators return while it is open, and gives it back when it is disposed: one batch of an evaluation, a
/// step of sampling. <see cref="Tensor.Keep"/> takes a tensor out of it. Scopes nest and are closed in reverse order. A
/// scope belongs to the flow of control that opened it: it stays in force over <c>await</c> and in tasks that are
/// started within it, on whatever thread they run, and nowhere else.
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
    /// The scope in force, or null. One that has ended may still be: in a task that was started within it and outlives
    /// it.
    /// </summary>
    internal static TensorScope? Innermost => s_innermost.Value;

    /// <summary>Whether operators record themselves while this is the innermost scope.</summary>
    internal bool RecordsGraph { get; }

    /// <summary>Opens a scope in this flow of control.</summary>
    public static TensorScope Enter() => new(recordsGraph: true);

    /// <summary>
    /// Closes the scope: what it owns goes back to the cache, and graphs that were recorded in it cannot be gone over
    /// any more.
    /// </summary>
    /// <exception cref="InvalidOperationException">A scope that was opened later is still open, or the scope is another
    /// flow's.</exception>
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
    /// Gives an operator's output to the innermost scope that is open. Without one nobody owns it: backward passes and
    /// modules give it back where they are its last user, and else the garbage collector does.
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
