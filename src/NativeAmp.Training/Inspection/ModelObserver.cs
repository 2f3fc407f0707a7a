namespace NativeAmp.Training;

/// <summary>The output of an operator, or a gradient, as an observer sees it.</summary>
/// <param name="Module">
/// Path of the module, such as "block0.attention.qkv", with which names of parameters begin. It is the module of the
/// parameters that the operator used; without parameters it is the innermost module called with
/// <see cref="NativeAmp.Training.Module.Call"/>. "" stands for the model itself, and for operators outside of it, such
/// as a loss.
/// </param>
/// <param name="Operation">The operator, such as "conv2d". It includes an activation that is computed in the same
/// pass.</param>
/// <param name="Number">Number of the operator among those of its name in this module, from 1, in the order of the
/// forward pass. An output and its gradient have the same number.</param>
/// <param name="Values">The elements, in their dtype. Valid until the call returns.</param>
public readonly record struct Observation(string Module, string Operation, int Number, Tensor Values);

/// <summary>
/// Observes the computation of a model. It sees the output of every operator in the order of the forward pass. In the
/// backward pass it sees the gradient of each output and those of the parameters, still multiplied by the loss scale.
/// Derive a class from it.
/// </summary>
/// <remarks>
/// It sees only recorded operators: none under <see cref="NoGrad"/>, and none before the first parameter. Like
/// <see cref="Autocast"/>, an observer is in force in the flow of control that called <see cref="Observe"/>: over
/// <c>await</c>, and in tasks started there. Without an observer there is no cost. Reading values waits for the device.
/// </remarks>
/// <example>
/// <code>
/// using (observer.Observe(model))
/// {
///     scaler.Scale(Loss.CrossEntropy(model.Call(images), labels)).Backward();
/// }
/// </code>
/// </example>
public abstract class ModelObserver
{
    /// <summary>Puts this observer in force until the result is disposed. The innermost counts.</summary>
    /// <param name="model">The model whose modules and parameters give the names.</param>
    public IDisposable Observe(Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new ObserverFrame(this, model);
    }

    /// <summary>Called when an operator's output is computed.</summary>
    public virtual void OnActivation(in Observation activation) { }

    /// <summary>
    /// Called when the gradient with respect to an operator's output is complete, before the operator's backward pass.
    /// </summary>
    public virtual void OnGradient(in Observation gradient) { }

    /// <summary>
    /// Called when an operator's backward pass has added to a parameter's gradient. Several operators may do so in a
    /// pass.
    /// </summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="gradient">
    /// The parameter's gradient so far, with the operator. <see cref="Observation.Module"/> is that of the parameter.
    /// </param>
    public virtual void OnParameterGradient(Parameter parameter, in Observation gradient) { }
}
