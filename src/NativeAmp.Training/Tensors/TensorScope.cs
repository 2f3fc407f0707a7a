namespace NativeAmp.Training;

/// <summary>
/// Owns what operators return while it is open on this thread, and gives it back when it is disposed: one batch of an evaluation,
/// a step of sampling. <see cref="Tensor.Keep"/> takes a tensor out of it. Scopes nest and are closed in reverse order.
/// </summary>
public class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _innermost;

    private readonly TensorScope? _outer;
    private readonly List<Tensor> _tensors = [];
    private readonly int _tapeLength;
    private bool _closed;

    private protected TensorScope()
    {
        _outer = _innermost;
        _tapeLength = Tape.Current.Length;
        _innermost = this;
    }

    /// <summary>Opens a scope on this thread.</summary>
    public static TensorScope Enter() => new();

    /// <summary>Closes the scope: what it owns goes back to the cache, and what was recorded in it leaves the tape.</summary>
    /// <exception cref="InvalidOperationException">A scope that was opened later, or on this thread, is still open.</exception>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes the scope.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (_closed || !disposing)
            return;
        if (_innermost != this)
            throw new InvalidOperationException("Scopes are closed on their own thread, the innermost first; another is still open.");
        _closed = true;
        _innermost = _outer;
        foreach (Tensor tensor in _tensors)
        {
            tensor.ReleaseUnlessCallers("the TensorScope (or NoGrad) that it was made in has ended; call Keep() to take it out");
            tensor.ReleaseGradient();
        }

        Tape.Current.Truncate(_tapeLength);
    }

    /// <summary>Gives an operator's output to its owner.</summary>
    internal static void Adopt(Tensor tensor)
    {
        tensor.IsCallers = false;
        if (_innermost is { } scope)
            scope._tensors.Add(tensor);
        else
            Tape.Current.Adopt(tensor);
    }
}
