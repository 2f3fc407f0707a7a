namespace NativeAmp.Training;

/// <summary>
/// The gradient of an input for an operator that can only overwrite: straight into the input's buffer where that is
/// empty and of the right dtype, else through scratch memory that <see cref="Finish"/> adds.
/// </summary>
internal readonly unsafe struct GradientOverwrite
{
    private readonly Tensor? _input;
    private readonly GradientTarget _target;
    private readonly Storage? _scratch;
    private readonly bool _isWanted;

    /// <summary>Prepares to write the gradient of an input in a dtype.</summary>
    /// <param name="node">The operator's node, which knows whether the gradient is wanted.</param>
    /// <param name="input">The input, or null if the operator has none.</param>
    /// <param name="dtype">What the operator writes.</param>
    /// <param name="always">
    /// Whether the operator writes this gradient even where the input wants none: then there is scratch memory for it.
    /// </param>
    public GradientOverwrite(Node node, Tensor? input, DType dtype, bool always = false)
    {
        _input = input;
        DType = dtype;
        _isWanted = node.Wants(input);
        bool isDirect = false;
        if (_isWanted)
        {
            _target = input!.GradientBuffer.Open();
            isDirect = !_target.Accumulate && _target.DType == dtype;
        }

        if (input is not null && !isDirect && (_isWanted || always))
            _scratch = Storage.Allocate(input.Device, dtype, input.Count, MemoryKind.Workspace);
    }

    /// <summary>Where the operator writes, or null if nobody wants this gradient.</summary>
    public void* Pointer =>
        _scratch is not null ? _scratch.Pointer
        : _isWanted ? _target.Pointer
        : null;

    public DType DType { get; }

    /// <summary>Adds what was written to the input's gradient, where it is not there already.</summary>
    public void Finish()
    {
        if (_scratch is null)
            return;
        if (_isWanted)
            Kernels.Accumulate(_input!.Device, _target, _scratch.Pointer, DType, _input.Count);
        _scratch.Drop();
    }
}
