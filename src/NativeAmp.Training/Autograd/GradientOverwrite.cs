namespace NativeAmp.Training;

/// <summary>
/// The destination of a gradient for an operator that overwrites. It is the input's buffer if that has the right dtype
/// and is empty, or the operator adds what it is told to; otherwise it is scratch memory, which <see cref="Finish"/>
/// adds to the buffer.
/// </summary>
internal readonly unsafe struct GradientOverwrite
{
    private readonly Tensor? _input;
    private readonly GradientTarget _target;
    private readonly Storage? _scratch;
    private readonly bool _isWanted;

    /// <summary>Prepares to write the gradient of an input in a dtype.</summary>
    /// <param name="node">The operator's node, which says whether the gradient is needed.</param>
    /// <param name="input">The input, or null if the operator has none.</param>
    /// <param name="dtype">The dtype that the operator writes.</param>
    /// <param name="always">
    /// Whether the operator writes this gradient even if the input needs none. Scratch memory then takes it.
    /// </param>
    /// <param name="adds">Whether the operator adds <see cref="Residual"/> to what it writes.</param>
    public GradientOverwrite(Node node, Tensor? input, DType dtype, bool always = false, bool adds = false)
    {
        _input = input;
        DType = dtype;
        _isWanted = node.Wants(input);
        bool isDirect = false;
        if (_isWanted)
        {
            _target = input!.GradientBuffer.Open();
            isDirect = _target.DType == dtype && (adds || !_target.Accumulate);
        }

        if (input is not null && !isDirect && (_isWanted || always))
            _scratch = Storage.Allocate(input.Device, dtype, input.Count, MemoryKind.Workspace);
    }

    /// <summary>The destination of the operator, or null if this gradient is not needed.</summary>
    public void* Pointer =>
        _scratch is not null ? _scratch.Pointer
        : _isWanted ? _target.Pointer
        : null;

    /// <summary>The gradient that the input has already, for the operator to add; or null.</summary>
    public void* Residual => _scratch is null && _target.Accumulate ? _target.Pointer : null;

    /// <summary>Whether the operator writes the input's gradient itself.</summary>
    public bool IsDirect => _isWanted && _scratch is null;

    public DType DType { get; }

    /// <summary>
    /// Adds scratch memory to the input's gradient. Nothing is left to do if the operator wrote there directly.
    /// </summary>
    public void Finish()
    {
        if (_scratch is null)
            return;
        if (_isWanted)
            Kernels.Accumulate(_input!.Device, _target, _scratch.Pointer, DType, _input.Count);
        _scratch.Drop();
    }
}
