namespace NativeAmp.Training.Quantization;

/// <summary>
/// Fine-tuning for integers: while it is there, the model's layers compute with the rounded values of their weights,
/// and with <see cref="QuantizationKind.Int8Static"/> of their inputs, and gradients pass straight through. So training
/// finds float weights that round well. It is for models that lose too much by <see cref="Quantizer.Quantize"/> alone.
/// </summary>
/// <remarks>
/// The host rounds at every forward pass. The layers' own parameters are trained: saved and loaded as ever. Begin it
/// before the optimizer is created, since batch norms may be folded, and dispose the optimizer before
/// <see cref="Finish"/>.
/// </remarks>
/// <example>
/// <code>
/// var scheme = new QuantizationScheme { Kind = QuantizationKind.Int4, Group = 32 };
/// using var aware = new QuantizationAware(model, scheme);
/// using (var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-4f }))
///     Train(model, optimizer);
/// QuantizationReport report = aware.Finish();
/// </code>
/// </example>
public sealed class QuantizationAware : IDisposable
{
    private readonly Module _model;
    private readonly QuantizationScheme _scheme;
    private readonly (string Name, IQuantizable Layer)[] _layers;
    private readonly InputCodes?[] _inputs;
    private bool _isOver;

    /// <summary>Begins: layers round from now on, and batch norms are folded.</summary>
    /// <param name="model">A trained model, on a device.</param>
    /// <param name="scheme">The scheme that it will be quantised by; rounded to nearest.</param>
    /// <param name="calibrate">As of <see cref="Quantizer.Quantize"/>: needed for
    /// <see cref="QuantizationKind.Int8Static"/>, whose ranges of inputs stay those of now.</param>
    /// <exception cref="ArgumentException">As of <see cref="Quantizer.Quantize"/>, or the method is not
    /// <see cref="QuantizationMethod.Rtn"/>. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">As of <see cref="Quantizer.Quantize"/>, or a layer is in
    /// quantisation-aware training already. Nothing was changed.</exception>
    public QuantizationAware(Module model, QuantizationScheme scheme, Action<Module>? calibrate = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(scheme);
        if (scheme.Method != QuantizationMethod.Rtn)
            throw new ArgumentException(
                $"Quantisation-aware training rounds to nearest at every step: take Rtn, not {scheme.Method}.",
                nameof(scheme)
            );
        _model = model;
        _scheme = scheme;
        _layers = Quantizer.Choose(model, scheme, calibrate);
        (IReadOnlyList<BatchNormPair> pairs, IReadOnlyList<KeptBatchNorm> norms) = Quantizer.FindBatchNorms(
            model,
            scheme
        );
        bool isStatic = scheme.Kind == QuantizationKind.Int8Static;
        using (var ranges = new InputRanges(isStatic ? _layers.Select(each => each.Layer) : []))
        {
            calibrate?.Invoke(model);
            _inputs =
            [
                .. _layers.Select(each =>
                    isStatic ? Quantizer.ChooseCodes(each.Name, each.Layer, scheme, ranges) : null
                ),
            ];
        }

        FoldedWeight[] folded = [.. pairs.Select(FoldedWeight.Of)];
        foreach (FoldedWeight each in folded)
            each.Take();
        BatchNorms = BatchNormFolding.ReportOf(pairs, norms);
        foreach (((_, IQuantizable layer), InputCodes? input) in _layers.Zip(_inputs))
            layer.Hooks.Rounding = new StraightThrough(scheme, input);
    }

    /// <summary>The batch norms that were folded, and those that were not.</summary>
    public BatchNormReport BatchNorms { get; }

    /// <summary>Ends the training, and quantises the model: it goes on computing as in the training's forward
    /// passes, but for the order of sums.</summary>
    /// <exception cref="InvalidOperationException">It is over, or a layer belongs to an optimizer. Nothing was
    /// changed.</exception>
    /// <exception cref="ArgumentException">A weight is not finite.</exception>
    public QuantizationReport Finish()
    {
        ObjectDisposedException.ThrowIf(_isOver, this);
        if (_layers.FirstOrDefault(each => each.Layer.Weight.Optimizers.Any).Name is { } held)
            throw new InvalidOperationException(
                $"The weight of layer '{held}' belongs to an optimizer; dispose that first."
            );
        QuantizationReport report = Quantizer.Apply(_model, _scheme, _layers, _inputs, [], products: null) with
        {
            BatchNorms = BatchNorms,
        };
        Dispose();
        return report;
    }

    /// <summary>Ends the training: layers compute in float again, unless <see cref="Finish"/> was called.</summary>
    public void Dispose()
    {
        if (_isOver)
            return;
        _isOver = true;
        foreach ((_, IQuantizable layer) in _layers)
            layer.Hooks.Rounding = null;
    }
}
