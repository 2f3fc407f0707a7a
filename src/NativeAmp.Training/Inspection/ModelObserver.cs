namespace NativeAmp.Training;

/// <summary>What an operator gave, or the gradient that came back to it.</summary>
/// <param name="Module">
/// Path of the module, such as "block0.attention.qkv", as the names of parameters begin: that of the parameters that
/// the operator used, else of the innermost module that was called with <see cref="NativeAmp.Training.Module.Call"/>;
/// "" for the model itself, or for what lies outside of it, such as a loss.
/// </param>
/// <param name="Operation">The operator, such as "conv2d"; an activation that is computed in the same pass is part of
/// it.</param>
/// <param name="Number">The how-manieth it was of this operator in this module, from 1, as the forward pass came to
/// them: the same for an output and its gradient.</param>
/// <param name="Values">The elements, in the dtype that they have there. Good until the call returns.</param>
public readonly record struct Observation(string Module, string Operation, int Number, Tensor Values);

/// <summary>
/// Sees what a model computes: the output of every operator in the order of the forward pass, and as the backward pass
/// walks back over them the gradient with respect to each output and those of the parameters, still multiplied by the
/// loss scale. Derive from it what you want to know.
/// </summary>
/// <remarks>
/// Operators are seen that a backward pass can go over: none under <see cref="NoGrad"/>, and none before the first
/// parameter. An observer is in force in the flow of control that <see cref="Observe"/> was called in and in tasks that
/// are started there, over <c>await</c>, as <see cref="Autocast"/> is. Where none is in force none is asked for.
/// Reading values waits for the device.
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
    /// <param name="model">Whose modules and parameters names are those of.</param>
    public IDisposable Observe(Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new ObserverFrame(this, model);
    }

    /// <summary>An operator's output is computed.</summary>
    public virtual void OnActivation(in Observation activation) { }

    /// <summary>The gradient with respect to an operator's output is complete; the operator goes back next.</summary>
    public virtual void OnGradient(in Observation gradient) { }

    /// <summary>An operator has gone back and added to a parameter's gradient; several may do so in a pass.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="gradient">
    /// Its gradient so far, with its operator. <see cref="Observation.Module"/> is that of the parameter.
    /// </param>
    public virtual void OnParameterGradient(Parameter parameter, in Observation gradient) { }
}
