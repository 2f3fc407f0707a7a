namespace NativeAmp.Training;

/// <summary>
/// One backward pass through the graph of a tensor. It visits only nodes that the tensor reaches, each after all users
/// of its output. All checks come first, so that a refused pass changes nothing.
/// </summary>
internal sealed class BackwardPass
{
    private const string UsedUp = "Backward gave its memory back to the cache; call Keep() or read it before Backward";

    private static long s_passes;

    private readonly long _number = Interlocked.Increment(ref s_passes);
    private readonly List<Node> _nodes = [];
    private readonly List<Tensor> _leaves = [];
    private readonly Tensor _root;

    private BackwardPass(Tensor root) => _root = root;

    /// <summary>Backward from a float32 scalar whose gradient is 1, or the loss scale on the device.</summary>
    public static unsafe void Run(Tensor root, float* scale, bool retainGraph)
    {
        CheckScalar(root);
        lock (root.Device.Gate)
        {
            BackwardPass pass = Prepare(root);
            Kernels.SeedGradient(root.Device, root.GradientBuffer.Open().Pointer, scale);
            pass.Walk(retainGraph);
        }
    }

    /// <summary>Backward from any tensor and the gradient with respect to it.</summary>
    public static unsafe void Run(Tensor root, Tensor gradient, bool retainGraph)
    {
        _ = root.Storage;
        Requires.FloatingPoint(gradient, nameof(Tensor.Backward));
        Requires.SameDevice(root, gradient, nameof(Tensor.Backward));
        Requires.That(
            root.Shape == gradient.Shape,
            root,
            gradient,
            "the gradient must have the tensor's shape",
            nameof(Tensor.Backward)
        );
        lock (root.Device.Gate)
        {
            BackwardPass pass = Prepare(root);
            Kernels.Accumulate(root.Device, root.GradientBuffer.Open(), gradient.Pointer, gradient.DType, root.Count);
            pass.Walk(retainGraph);
        }
    }

    /// <summary>Computes the gradients of a scalar with respect to these tensors alone.</summary>
    public static unsafe Tensor[] Run(Tensor root, ReadOnlySpan<Tensor> wanted, bool retainGraph)
    {
        CheckScalar(root);
        lock (root.Device.Gate)
        {
            BackwardPass pass = Prepare(root, wanted);
            var before = new GradientBuffer?[wanted.Length];
            var retained = new bool[wanted.Length];
            for (int i = 0; i < wanted.Length; i++)
            {
                before[i] = wanted[i].ExchangeGradient(null);
                retained[i] = wanted[i].RetainsGradient;
                wanted[i].SetRetainsGradient(wanted[i].Producer is not null);
            }

            try
            {
                pass.Plan();
                Kernels.SeedGradient(root.Device, root.GradientBuffer.Open().Pointer, null);
                pass.Walk(retainGraph);
                return Taken(wanted);
            }
            finally
            {
                for (int i = 0; i < wanted.Length; i++)
                {
                    wanted[i].ExchangeGradient(before[i])?.Release();
                    wanted[i].SetRetainsGradient(retained[i]);
                }

                foreach (Tensor leaf in pass._leaves)
                    leaf.IsLeftOut = false;
            }
        }
    }

    private static Tensor[] Taken(ReadOnlySpan<Tensor> wanted)
    {
        var gradients = new Tensor[wanted.Length];
        for (int i = 0; i < wanted.Length; i++)
        {
            GradientBuffer buffer = wanted[i].ExchangeGradient(null)!;
            (Storage storage, DType dtype) = buffer.Take();
            gradients[i] = Tensor.Result(wanted[i].Device, dtype, wanted[i].Shape, storage);
        }

        return gradients;
    }

    private static void CheckScalar(Tensor root)
    {
        _ = root.Storage;
        if (root.Count != 1)
        {
            throw new InvalidOperationException(
                $"Backward starts at a scalar, such as a loss; {root.Describe()} has {root.Count} elements. Give it a "
                    + "gradient to start from, or take a sum."
            );
        }

        if (root.DType != DType.Float32)
            throw new InvalidOperationException(
                $"Backward starts at a float32 scalar; this is a {root.Describe()}. Cast it first."
            );
    }

    /// <summary>
    /// Finds the nodes that the root reaches, and checks that a pass can go over them. Changes nothing if it cannot.
    /// </summary>
    private static BackwardPass Prepare(Tensor root)
    {
        var pass = new BackwardPass(root);
        pass.Find();
        pass.Plan();
        return pass;
    }

    private static BackwardPass Prepare(Tensor root, ReadOnlySpan<Tensor> wanted)
    {
        var pass = new BackwardPass(root);
        pass.Find();
        foreach (Tensor tensor in wanted)
        {
            bool reached = tensor.Producer is { } producer
                ? producer.FoundBy == pass._number
                : pass._leaves.Contains(tensor);
            if (!reached || tensor == root)
                throw new ArgumentException(
                    $"The scalar was not computed from the {tensor.Describe()}, or that requires no gradient.",
                    nameof(wanted)
                );
        }

        foreach (Tensor leaf in pass._leaves)
            leaf.IsLeftOut = !wanted.Contains(leaf);
        return pass;
    }

    private void Find()
    {
        if (_root.Producer is not { } producer)
        {
            if (!_root.RequiresGrad)
            {
                throw new InvalidOperationException(
                    $"{_root.Describe()} was not computed from anything that requires gradients (or was computed "
                        + "under NoGrad), so there is nothing to go back over."
                );
            }

            _leaves.Add(_root);
            return;
        }

        var leaves = new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        Add(producer);
        for (int i = 0; i < _nodes.Count; i++)
        {
            Node node = _nodes[i];
            if (node.Obstacle() is { } obstacle)
                throw new InvalidOperationException($"Backward cannot go back from the {_root.Describe()}: {obstacle}");
            foreach (Edge edge in node.Edges)
            {
                if (edge.Tensor!.Producer is { } next)
                    Add(next);
                else if (edge.Tensor.RequiresGrad && leaves.Add(edge.Tensor))
                    _leaves.Add(edge.Tensor);
            }
        }

        // An operator's inputs were created before it.
        _nodes.Sort((a, b) => b.Number.CompareTo(a.Number));
    }

    private void Add(Node node)
    {
        if (node.FoundBy == _number)
            return;
        node.Found(_number);
        _nodes.Add(node);
    }

    private void Plan()
    {
        bool isObserved = ObserverFrame.Current is not null;
        if (_root.Producer is { } last)
            last.Gradients = isObserved ? 0 : 1;
        else
            _root.GradientBuffer.Plan(_number, _root.DType);
        foreach (Node node in _nodes)
        {
            foreach (Edge edge in node.Edges)
            {
                if (edge.Tensor is { Producer: null, RequiresGrad: true, IsLeftOut: false })
                    edge.Tensor.GradientBuffer.Plan(_number, edge.DType);
                else if (!isObserved && edge.Tensor!.Producer is { } producer)
                {
                    producer.Gradients++;
                    producer.LastUser = node;
                }
            }
        }
    }

    private void Walk(bool retainGraph)
    {
        bool succeeded = false;
        ObserverFrame? observer = ObserverFrame.Current;
        try
        {
            foreach (Node node in _nodes)
            {
                if (node.Output.GradientBufferOrNull is { HasValue: true } gradient && node.WantsAny)
                {
                    node.IsLastPass = !retainGraph;
                    observer?.GoesBack(node);
                    GoBack(node, gradient);
                    observer?.WentBack(node);
                }

                Finish(node, retainGraph);
            }

            succeeded = true;
        }
        finally
        {
            if (!succeeded)
                Abandon();
        }
    }

    private static void GoBack(Node node, GradientBuffer gradient)
    {
        if (!node.Output.RetainsGradient)
        {
            node.Backward();
            return;
        }

        // A gradient that is read afterwards must not be overwritten in place.
        Storage kept = gradient.Storage.Share();
        try
        {
            node.Backward();
        }
        finally
        {
            kept.Drop();
        }
    }

    private void Finish(Node node, bool retainGraph)
    {
        node.Output.FinishGradient();
        node.DropGradientCopy();
        if (retainGraph)
            return;
        node.Release(NodeState.UsedUp);
        if (node.Output != _root)
            node.Output.ReleaseUnlessCallers(UsedUp);
    }

    // A failed node leaves no half graph, and no half gradient that looks complete.
    private void Abandon()
    {
        foreach (Node node in _nodes)
        {
            node.Output.GradientBufferOrNull?.Release();
            node.DropGradientCopy();
            node.Release(NodeState.UsedUp);
            if (node.Output != _root)
                node.Output.ReleaseUnlessCallers(UsedUp);
        }

        foreach (Tensor leaf in _leaves)
            leaf.GradientBufferOrNull?.Fail(_number);
    }
}
