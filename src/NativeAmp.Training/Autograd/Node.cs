namespace NativeAmp.Training;

/// <summary>An activation, and the elements that its derivative is computed from.</summary>
internal readonly record struct ActivationSlope(Activation Activation, Saved Kept);

/// <summary>The state of a node.</summary>
internal enum NodeState
{
    /// <summary>A backward pass may go over it.</summary>
    Recorded,

    /// <summary>A backward pass went over it and released what it had saved.</summary>
    UsedUp,

    /// <summary>The scope in which it was recorded has ended.</summary>
    OutOfScope,
}

/// <summary>
/// One operator in the graph of a tensor. It saves the elements that its backward pass needs, and the tensors to which
/// gradients flow. It lives as long as its output. Every operator has one output. When <see cref="Backward"/> is
/// called, the gradient with respect to the output is in the output's <see cref="GradientBuffer"/>.
/// </summary>
internal abstract class Node
{
    private static long s_created;

    private Edge[] _edges;

    /// <summary>A node whose edges are the inputs that require gradients now.</summary>
    /// <param name="operation">The operator's name, for messages.</param>
    /// <param name="output">The operator's output.</param>
    /// <param name="inputs">The inputs that may require gradients.</param>
    protected Node(string operation, Tensor output, params ReadOnlySpan<Edge> inputs)
    {
        Operation = operation;
        Output = output;
        Number = Interlocked.Increment(ref s_created);
        int count = 0;
        foreach (Edge input in inputs)
            count += input.Tensor is { RequiresGrad: true } ? 1 : 0;
        _edges = new Edge[count];
        foreach (Edge input in inputs)
        {
            if (input.Tensor is { RequiresGrad: true })
                _edges[^count--] = input;
        }
    }

    /// <summary>The operator's name.</summary>
    public string Operation { get; }

    /// <summary>The operator's output.</summary>
    public Tensor Output { get; }

    /// <summary>Place in the order of creation: an input's node always has a smaller number.</summary>
    public long Number { get; }

    /// <summary>Whether a backward pass may go over it.</summary>
    public NodeState State { get; private set; }

    /// <summary>The inputs that required gradients when the operator ran.</summary>
    public ReadOnlySpan<Edge> Edges => _edges;

    /// <summary>The module that an observer saw when the operator ran, or null.</summary>
    public string? ObservedModule { get; set; }

    /// <summary>
    /// Number of the operator among those of its name in that module, from 1; 0 if it was not observed.
    /// </summary>
    public int ObservedNumber { get; set; }

    /// <summary>The last backward pass that found this node.</summary>
    public long FoundBy { get; private set; }

    /// <summary>
    /// How many gradients of the output a backward pass brings; 0 while an observer sees each of them.
    /// </summary>
    public int Gradients { get; set; }

    /// <summary>
    /// The last operator of a backward pass that gives the output a gradient; null while an observer sees each.
    /// </summary>
    public Node? LastUser { get; set; }

    /// <summary>
    /// The dtype of a copy of the output's gradient that this operator can use, if <see cref="LastUser"/> makes one in
    /// its pass over it; or null.
    /// </summary>
    public virtual DType? CopiedGradientType => null;

    /// <summary>That copy, from <see cref="LastUser"/>; or null.</summary>
    public Storage? GradientCopy { get; set; }

    /// <summary>
    /// The activation at the operator's end whose slope the only user of its output may multiply the gradient by, with
    /// the elements that the slope is computed from; or null.
    /// </summary>
    public virtual ActivationSlope? Slope => null;

    /// <summary>Whether the user did so in this pass: the output's gradient is that before the activation.</summary>
    public bool HasSlopedGradient { get; set; }

    /// <summary>
    /// Whether the pass gives back what the operator had saved, so that it may write there; not with retainGraph.
    /// </summary>
    public bool IsLastPass { get; set; }

    /// <summary>A backward pass has found this node.</summary>
    public void Found(long pass)
    {
        FoundBy = pass;
        Gradients = 0;
        LastUser = null;
        HasSlopedGradient = false;
    }

    /// <summary>The gradient with respect to the output, in the output's dtype.</summary>
    protected Storage OutputGradient => Output.GradientBuffer.Storage;

    protected Device Device => Output.Device;

    /// <summary>The copy of the output's gradient, which the caller has to drop; or null.</summary>
    protected Storage? TakeGradientCopy()
    {
        Storage? copy = GradientCopy;
        GradientCopy = null;
        return copy;
    }

    /// <summary>The elements saved for the backward pass.</summary>
    protected virtual Saved[] SavedElements => [];

    /// <summary>Gives back a copy that the operator did not take.</summary>
    public void DropGradientCopy() => TakeGradientCopy()?.Drop();

    /// <summary>Adds the gradients with respect to the inputs to their buffers.</summary>
    public abstract void Backward();

    /// <summary>Whether any input needs a gradient. This is enough for an operator of one input.</summary>
    public bool WantsAny => Array.Exists(_edges, edge => Accepts(edge.Tensor));

    /// <summary>
    /// Whether an input needs a gradient: it required one when the operator ran, and still does (as with PyTorch's
    /// AccumulateGrad).
    /// </summary>
    public bool Wants(Tensor? input) => Accepts(input) && Array.Exists(_edges, edge => edge.Tensor == input);

    /// <summary>Why a backward pass cannot go over this node, or null.</summary>
    public string? Obstacle()
    {
        if (State == NodeState.UsedUp)
        {
            return $"a backward pass has gone over its '{Operation}' already and gave back what that had saved. "
                + "Run the forward pass again; to go back from several losses, add them up, or call "
                + "Backward(retainGraph: true) for all but the last.";
        }

        if (State == NodeState.OutOfScope)
        {
            return $"the TensorScope (or NoGrad) that its '{Operation}' was recorded in has ended. "
                + "Call Backward before it ends, or cut the graph with Detach().";
        }

        foreach (Saved saved in SavedElements)
        {
            if (saved.WrittenSince() is { } written)
            {
                return $"the {written.Describe()} that its '{Operation}' needs as it was in the forward pass was "
                    + "written since, "
                    + "by CopyFrom, an optimizer's step, MarkChanged or a move to another device. Call Backward "
                    + "before that, or run the forward pass again.";
            }
        }

        foreach (Edge edge in _edges)
        {
            if (edge.Tensor!.HasDevice && edge.Tensor.Device != Device)
                return $"the {edge.Tensor.Describe()} of its '{Operation}' was moved to another device since. Run the "
                    + "forward pass again.";
        }

        return null;
    }

    private static bool Accepts(Tensor? tensor) => tensor is { RequiresGrad: true, IsLeftOut: false };

    /// <summary>Releases everything that was saved, and the inputs.</summary>
    public void Release(NodeState state)
    {
        if (State != NodeState.Recorded)
            return;
        State = state;
        foreach (Saved saved in SavedElements)
            saved.Drop();
        _edges = [];
    }
}
