namespace NativeAmp.Training;

/// <summary>
/// A model in evaluation mode. At the end each of its modules has the mode that it had before: a batch norm that was
/// set to <see cref="Module.Eval"/> by itself, as when a model is fine-tuned, stays so.
/// </summary>
/// <example>
/// <code>
/// using (EvaluationMode.Enter(model))
/// using (NoGrad.Enter())
///     Measure(model.Forward(images));
/// </code>
/// </example>
public sealed class EvaluationMode : IDisposable
{
    private readonly (Module Module, bool IsTraining)[] _modes;

    private EvaluationMode(Module model) => _modes = [.. Of(model)];

    /// <summary>Sets a model to evaluation mode until the result is disposed.</summary>
    public static EvaluationMode Enter(Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var modes = new EvaluationMode(model);
        model.Eval();
        return modes;
    }

    /// <summary>Gives each module its mode back.</summary>
    public void Dispose()
    {
        // Outer modules first: each sets those inside.
        foreach ((Module module, bool isTraining) in _modes)
        {
            if (isTraining)
                module.Train();
            else
                module.Eval();
        }
    }

    /// <summary>Each module of a model with its mode, outer modules first.</summary>
    internal static IEnumerable<(Module Module, bool IsTraining)> Of(Module module) =>
        module.Children().SelectMany(Of).Prepend((module, module.IsTraining));
}
