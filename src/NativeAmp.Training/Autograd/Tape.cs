namespace NativeAmp.Training;

/// <summary>
/// What operators did on one thread since the last backward pass, in order, and the outputs that no scope owns. Backward goes
/// over it from the end, then it is empty: a tape holds one forward pass (or the sum of several losses).
/// </summary>
public sealed class Tape
{
    private const string Consumed = "Backward gave it back to the cache; call Keep() before, or read it before";

    [ThreadStatic]
    private static Tape? _current;

    private readonly List<Node> _nodes = [];
    private readonly List<Tensor> _owned = [];
    private readonly List<GradientBuffer> _expecting = [];
    private Tensor? _root;

    private Tape()
    {
    }

    /// <summary>This thread's tape.</summary>
    public static Tape Current => _current ??= new Tape();

    /// <summary>Number of operators recorded and not yet gone over.</summary>
    public int Length => _nodes.Count;

    /// <summary>
    /// Forgets everything recorded and gives it back to the cache: for a forward pass that no backward pass will follow.
    /// </summary>
    public void Clear()
    {
        Truncate(0);
        ReleaseOwned(null, "the tape was cleared");
    }

    internal void Adopt(Tensor tensor) => _owned.Add(tensor);

    /// <summary>Records an operator: its output has a gradient from now on.</summary>
    internal void Record(Node node)
    {
        _root?.ReleaseUnlessCallers("it was the root of a backward pass, and the next forward pass has begun; call Keep() to hold on to it");
        _root = null;
        node.Output.Producer = node;
        _nodes.Add(node);
    }

    /// <summary>Remembers that a leaf will receive gradients, whose dtype is settled before the first arrives.</summary>
    internal void Expect(GradientBuffer buffer) => _expecting.Add(buffer);

    /// <summary>Drops what was recorded beyond the first entries.</summary>
    internal void Truncate(int length)
    {
        for (int i = _nodes.Count - 1; i >= length; i--)
            Finish(_nodes[i], null, "its part of the tape was dropped");
        if (_nodes.Count > length)
            _nodes.RemoveRange(length, _nodes.Count - length);
        if (_nodes.Count == 0)
            ForgetExpectations();
    }

    /// <summary>Backward from a float32 scalar whose gradient is 1, or the loss scale on the device.</summary>
    internal unsafe void Backward(Tensor root, float* scale = null)
    {
        if (root.Count != 1)
        {
            throw new InvalidOperationException(
                $"Backward starts at a scalar, such as a loss; {root.Describe()} has {root.Count} elements. Give it a gradient to start from, or take a sum.");
        }

        if (root.DType != DType.Float32)
            throw new InvalidOperationException($"Backward starts at a float32 scalar; this is a {root.Describe()}. Cast it first.");
        CheckRoot(root);
        Kernels.SeedGradient(root.Device, root.GradientBuffer.Open(root.DType).Pointer, scale);
        GoBack(root);
    }

    /// <summary>Backward from any tensor and the gradient with respect to it.</summary>
    internal unsafe void Backward(Tensor root, Tensor gradient)
    {
        Requires.FloatingPoint(gradient);
        Requires.SameDevice(root, gradient);
        Requires.That(root.Shape == gradient.Shape, root, gradient, "the gradient must have the tensor's shape");
        CheckRoot(root);
        Kernels.Accumulate(root.Device, root.GradientBuffer.Open(root.DType), gradient.Pointer, gradient.DType, root.Count);
        GoBack(root);
    }

    private void GoBack(Tensor root)
    {
        try
        {
            for (int i = _nodes.Count - 1; i >= 0; i--)
            {
                Node node = _nodes[i];
                if (node.Output.GradientBufferOrNull is { HasValue: true })
                    node.Backward();
                Finish(node, root, Consumed);
                _nodes.RemoveAt(i);
            }
        }
        finally
        {
            // A node that failed leaves no half of a forward pass behind.
            Truncate(0);
            ReleaseOwned(root, Consumed);
            ForgetExpectations();
        }
    }

    private void CheckRoot(Tensor root)
    {
        if (root.Producer is not { } producer)
        {
            throw new InvalidOperationException(
                $"{root.Describe()} was not computed from anything that requires gradients (or was computed under NoGrad), so there is nothing to go back over.");
        }

        if (!_nodes.Contains(producer))
        {
            throw new InvalidOperationException(
                "This tensor is not on the thread's tape: Backward has gone over it already, its scope has ended, or it was computed on another thread. "
                + "Run the forward pass again; to go back from several losses, add them up first.");
        }
    }

    private static void Finish(Node node, Tensor? root, string reason)
    {
        node.Release();
        node.Output.ReleaseGradient();
        if (node.Output != root)
            node.Output.ReleaseUnlessCallers(reason);
    }

    private void ReleaseOwned(Tensor? root, string reason)
    {
        bool ownsRoot = false;
        foreach (Tensor tensor in _owned)
        {
            if (tensor == root)
                ownsRoot = true;
            else
                tensor.ReleaseUnlessCallers(reason);
        }

        _owned.Clear();
        // The root of an earlier pass can still be here only if nothing was recorded since, as when a tape is cleared.
        _root?.ReleaseUnlessCallers(reason);
        _root = ownsRoot ? root : null;
    }

    private void ForgetExpectations()
    {
        foreach (GradientBuffer buffer in _expecting)
            buffer.ForgetExpectations();
        _expecting.Clear();
    }
}
