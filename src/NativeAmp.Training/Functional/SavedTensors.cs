namespace NativeAmp.Training;

/// <summary>What the forward pass of a <see cref="CustomOperator"/> keeps for its backward pass.</summary>
public sealed class SavedTensors
{
    private readonly List<Tensor> _given = [];
    private Shape[] _shapes = [];
    private bool _closed;

    internal SavedTensors() { }

    /// <summary>The elements, which a node holds.</summary>
    internal Saved[] Elements { get; private set; } = [];

    /// <summary>
    /// Keeps a tensor's elements: its memory stays until the backward pass, which is refused where they were written
    /// since.
    /// </summary>
    /// <param name="tensor">An input, the output, or anything that the forward pass computed.</param>
    /// <exception cref="InvalidOperationException">The forward pass is over.</exception>
    public void Save(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (_closed)
            throw new InvalidOperationException("Tensors are saved in the forward pass; it is over.");
        _given.Add(tensor);
    }

    /// <summary>The forward pass is over: takes hold of the memory, if a backward pass can come.</summary>
    internal void Close(bool keep)
    {
        _closed = true;
        if (!keep)
            return;
        Elements = [.. _given.Select(tensor => new Saved(tensor))];
        _shapes = [.. _given.Select(tensor => tensor.Shape)];
        _given.Clear();
    }

    /// <summary>Views of what was saved, which the innermost scope gives back.</summary>
    internal Tensor[] Tensors(Device device) => [.. Elements.Select((saved, i) => saved.View(device, _shapes[i]))];
}
