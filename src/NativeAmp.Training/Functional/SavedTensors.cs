namespace NativeAmp.Training;

/// <summary>The tensors that the forward pass of a <see cref="CustomOperator"/> saves for its backward pass.</summary>
public sealed class SavedTensors
{
    private readonly List<Tensor> _given = [];
    private Shape[] _shapes = [];
    private bool _closed;

    internal SavedTensors() { }

    /// <summary>The saved elements, which a node holds.</summary>
    internal Saved[] Elements { get; private set; } = [];

    /// <summary>
    /// Saves a tensor's elements. Their memory stays until the backward pass, which is refused if they were written
    /// since.
    /// </summary>
    /// <param name="tensor">An input, the output, or another tensor of the forward pass.</param>
    /// <exception cref="InvalidOperationException">The forward pass is over.</exception>
    public void Save(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (_closed)
            throw new InvalidOperationException("Tensors are saved in the forward pass; it is over.");
        _given.Add(tensor);
    }

    /// <summary>Ends the forward pass, and keeps the memory if a backward pass can follow.</summary>
    internal void Close(bool keep)
    {
        _closed = true;
        if (!keep)
            return;
        Elements = [.. _given.Select(tensor => new Saved(tensor))];
        _shapes = [.. _given.Select(tensor => tensor.Shape)];
        _given.Clear();
    }

    /// <summary>Views of the saved tensors, which the innermost scope disposes.</summary>
    internal Tensor[] Tensors(Device device) => [.. Elements.Select((saved, i) => saved.View(device, _shapes[i]))];
}
