namespace NativeAmp.Training;

/// <summary>
/// An operator with its backward pass, written outside the library: the counterpart of <c>torch.autograd.Function</c>.
/// </summary>
/// <remarks>
/// One object may serve any number of calls; a call saves the tensors that its backward pass needs. Both passes run
/// without recording. They may use operators of the library, and your own kernels on the memory of tensors
/// (<see cref="Tensor.Cell"/>). The result is recorded like that of any operator: versions of saved tensors are
/// checked, gradients of several uses are added in float32, and observers see it by its name.
/// </remarks>
public abstract class CustomOperator
{
    /// <summary>An operator.</summary>
    /// <param name="name">Its name, for messages and observers.</param>
    protected CustomOperator(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Name = name;
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Computes the output, and records the operator if an input requires a gradient.</summary>
    /// <param name="inputs">One or more tensors on one device.</param>
    /// <returns>A new tensor, which belongs to the innermost <see cref="TensorScope"/>.</returns>
    /// <exception cref="InvalidOperationException">The forward pass returned one of its inputs, or nothing.</exception>
    public Tensor Apply(params ReadOnlySpan<Tensor> inputs)
    {
        Tensor[] all = inputs.ToArray();
        if (all.Length == 0)
            throw new ArgumentException($"The operator '{Name}' needs an input.", nameof(inputs));
        foreach (Tensor input in all)
        {
            ArgumentNullException.ThrowIfNull(input, nameof(inputs));
            Requires.SameDevice(all[0], input, Name);
        }

        bool records = GradMode.IsEnabled && Array.Exists(all, input => input.RequiresGrad);
        var saved = new SavedTensors();
        Tensor output;
        using (NoGrad.Enter())
        {
            Tensor made =
                Forward(all, saved)
                ?? throw new InvalidOperationException($"The forward pass of '{Name}' gave back nothing.");
            if (Array.Exists(all, input => input.Storage == made.Storage))
                throw new InvalidOperationException(
                    $"The forward pass of '{Name}' gave back the memory of an input; give back a new tensor."
                );
            saved.Close(records);
            output = new Tensor(made.Device, made.Shape, made.DType, made.Storage.Share());
            made.Dispose();
        }

        TensorScope.Adopt(output);
        return records ? Ops.Record(new CustomNode(this, output, all, saved)) : output;
    }

    /// <summary>Computes the output from the inputs.</summary>
    /// <param name="inputs">The tensors that <see cref="Apply"/> was given.</param>
    /// <param name="saved">Saves the tensors that the backward pass needs, such as inputs or the output.</param>
    /// <returns>A new tensor, which the operator then owns.</returns>
    protected abstract Tensor Forward(IReadOnlyList<Tensor> inputs, SavedTensors saved);

    /// <summary>Computes the gradients of the inputs from the gradient of the output.</summary>
    /// <param name="saved">The tensors that the forward pass saved, in order, with their values of then.</param>
    /// <param name="outputGradient">The output's gradient, in its shape and dtype. It is scaled if the loss
    /// was.</param>
    /// <returns>A gradient for each input, in its shape and any floating-point dtype; null for none. The library
    /// disposes them after use.</returns>
    protected abstract IReadOnlyList<Tensor?> Backward(IReadOnlyList<Tensor> saved, Tensor outputGradient);

    private sealed unsafe class CustomNode(CustomOperator custom, Tensor output, Tensor[] inputs, SavedTensors saved)
        : Node(custom.Name, output, [.. inputs.Select(input => (Edge)input)])
    {
        protected override Saved[] SavedElements { get; } = saved.Elements;

        public override void Backward()
        {
            using NoGrad noGrad = NoGrad.Enter();
            using var gradient = new Tensor(Device, Output.Shape, Output.DType, OutputGradient.Share());
            IReadOnlyList<Tensor?> gradients = custom.Backward(saved.Tensors(Device), gradient);
            if (gradients is null || gradients.Count != inputs.Length)
            {
                throw new InvalidOperationException(
                    $"The backward pass of '{custom.Name}' gave {gradients?.Count ?? 0} gradients for {inputs.Length} "
                        + "inputs; give one for each, null for none."
                );
            }

            for (int i = 0; i < inputs.Length; i++)
            {
                if (gradients[i] is not { } given || !Wants(inputs[i]))
                    continue;
                Requires.FloatingPoint(given, custom.Name);
                Requires.SameDevice(inputs[i], given, custom.Name);
                Requires.That(
                    given.Shape == inputs[i].Shape,
                    inputs[i],
                    given,
                    $"gradient {i} must have its input's shape",
                    custom.Name
                );
                Kernels.Accumulate(Device, inputs[i].GradientBuffer.Open(), given.Pointer, given.DType, given.Count);
            }

            foreach (Tensor? given in gradients)
                given?.Dispose();
        }
    }
}
