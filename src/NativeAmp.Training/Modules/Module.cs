using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Training;

/// <summary>
/// A part of a network: learned parameters, buffers that are not learned (running statistics), and child modules. Names
/// are as in PyTorch: "0.weight", "attention.projection.bias".
/// </summary>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];
    private readonly List<(string Name, Parameter Buffer)> _buffers = [];
    private readonly List<(string Name, Module Module)> _children = [];

    /// <summary>
    /// Whether the module is in training mode: dropout drops elements, and batch norm uses the batch's statistics. True
    /// at first.
    /// </summary>
    public bool IsTraining { get; private set; } = true;

    /// <summary>Computes the module's output.</summary>
    public abstract Tensor Forward(Tensor input);

    /// <summary>
    /// Calls <see cref="Forward"/>, and tells a <see cref="ModelObserver"/> that this module computes. Call child
    /// modules this way so that an observer sees them by name. Without an observer it is the same as
    /// <see cref="Forward"/>.
    /// </summary>
    public Tensor Call(Tensor input)
    {
        using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(this);
        return Forward(input);
    }

    /// <summary>
    /// The loss of samples with class labels, which <see cref="Trainer"/> takes if it is given none: softmax
    /// cross-entropy of what <see cref="Call"/> returns. A model with a large head overrides it with
    /// <see cref="Loss.LinearCrossEntropy"/>, as <see cref="Gpt"/> does.
    /// </summary>
    /// <param name="input">What <see cref="Forward"/> takes.</param>
    /// <param name="labels">int32: the class of each row of the output.</param>
    public virtual Tensor ClassLoss(Tensor input, Tensor labels) => Loss.CrossEntropy(Call(input), labels);

    /// <summary>The parameters, each once, with their full names, in the order in which the names appear.</summary>
    public IReadOnlyList<Parameter> Parameters()
    {
        var parameters = new List<Parameter>();
        var seen = new HashSet<Parameter>();
        foreach ((string name, Parameter parameter) in NamedParameters())
        {
            if (!seen.Add(parameter))
                continue;
            // A part of the model may list its parameters too; the longest name, from the outermost module, stays.
            if (parameter.Name.Length == 0 || name.EndsWith($".{parameter.Name}", StringComparison.Ordinal))
                parameter.Name = name;
            parameters.Add(parameter);
        }

        return parameters;
    }

    /// <summary>
    /// The parameters with their full names. A parameter that several modules share appears under each of its names.
    /// </summary>
    public IEnumerable<(string Name, Parameter Parameter)> NamedParameters() => Walk("", module => module._parameters);

    /// <summary>
    /// The buffers with their full names: float32 values that belong to the model's state but are not learned.
    /// </summary>
    public IEnumerable<(string Name, Parameter Buffer)> NamedBuffers() => Walk("", module => module._buffers);

    /// <summary>The model's state with full names: parameters, then buffers, each once.</summary>
    public IEnumerable<(string Name, Parameter Values)> State() =>
        NamedParameters().Concat(NamedBuffers()).DistinctBy(entry => entry.Item2);

    /// <summary>
    /// The device of the model's first parameter or buffer, or of its first weight of integers where it has neither;
    /// null if it has no values.
    /// </summary>
    public Device? Device =>
        State().Select(entry => entry.Values.Device).FirstOrDefault()
        ?? IQuantizable
            .Of(this)
            .Select(entry => entry.Layer.IntegersDevice)
            .FirstOrDefault(device => device is not null);

    /// <summary>
    /// Writes parameters, as their float32 masters (<see cref="Parameter.ReadMaster"/>), and buffers to a safetensors
    /// file, which PyTorch, Hugging Face and others read. A crash leaves the old file or the new one.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="dtype">Float32, Float16 or BFloat16, to which values are rounded.</param>
    /// <param name="rename">From the model's names to the file's; null for the same.</param>
    /// <exception cref="ArgumentException">Another dtype, or a name is used twice.</exception>
    /// <exception cref="InvalidOperationException">The model is quantised; see
    /// <see cref="Quantization.QuantizedFile"/>.</exception>
    /// <exception cref="Export.ExportException">A finite number is beyond the range of the type: the error names it. A
    /// file of before stays as it was.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path, DType dtype = DType.Float32, Func<string, string>? rename = null) =>
        ModuleFile.Save(this, path, dtype, rename ?? (name => name));

    /// <summary>
    /// Reads parameters, as their masters, and buffers from a safetensors file in F32, F16 or BF16. Optimizers of the
    /// parameters stay valid and keep their state.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="rename">From the file's names to the model's; null for the same.</param>
    /// <param name="strict">Whether each tensor of the file must be in the model, and each of the model in the
    /// file.</param>
    /// <returns>The names that are only in one of them.</returns>
    /// <exception cref="CheckpointException">Names, shapes or types do not fit. Nothing was changed.</exception>
    /// <exception cref="Data.DataFormatException">It is not a safetensors file, or is damaged. Nothing was
    /// changed.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public ModuleLoadResult Load(string path, Func<string, string>? rename = null, bool strict = true) =>
        ModuleFile.Load(this, path, rename ?? (name => name), strict);

    /// <summary>The child modules.</summary>
    public IEnumerable<Module> Children() => _children.Select(child => child.Module);

    /// <summary>Sets this module and all modules inside to training mode.</summary>
    public void Train() => SetTraining(true);

    /// <summary>Sets this module and all modules inside to evaluation mode.</summary>
    public void Eval() => SetTraining(false);

    /// <summary>Clears every parameter's gradient.</summary>
    public void ZeroGrad()
    {
        foreach ((_, Parameter parameter) in NamedParameters())
            parameter.ZeroGrad();
    }

    /// <summary>Number of elements of all parameters.</summary>
    public long ParameterCount() => Parameters().Sum(parameter => parameter.Count);

    /// <summary>Gives back the memory of every parameter and buffer.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back the memory of every parameter and buffer.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing)
            return;
        foreach ((_, Parameter values) in State())
            values.Dispose();
    }

    /// <summary>Creates a parameter with the values of an initializer.</summary>
    /// <param name="shape">The parameter's shape.</param>
    /// <param name="initializer">Draws the values.</param>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    protected static Parameter Create(Shape shape, Initializer initializer, RandomGenerator? random = null)
    {
        ArgumentNullException.ThrowIfNull(initializer);
        return new Parameter(initializer(shape, random ?? RandomGenerator.Default), shape);
    }

    /// <summary>Creates a parameter that stays float32 when the model is converted.</summary>
    private protected static Parameter CreateFloat32(
        Shape shape,
        Initializer initializer,
        RandomGenerator? random = null
    )
    {
        Parameter parameter = Create(shape, initializer, random);
        parameter.KeepsFloat32 = true;
        return parameter;
    }

    /// <summary>Adds a parameter under a name.</summary>
    protected Parameter Register(string name, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        CheckName(name);
        _parameters.Add((name, parameter));
        return parameter;
    }

    /// <summary>Adds a buffer under a name.</summary>
    protected Parameter RegisterBuffer(string name, Parameter buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        CheckName(name);
        buffer.RequiresGrad = false;
        buffer.KeepsFloat32 = true;
        _buffers.Add((name, buffer));
        return buffer;
    }

    /// <summary>Adds a module under a name.</summary>
    protected T Register<T>(string name, T module)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        CheckName(name);
        _children.Add((name, module));
        return module;
    }

    /// <summary>Takes a parameter or buffer of this module's own away.</summary>
    private protected void Unregister(Parameter values)
    {
        _parameters.RemoveAll(entry => entry.Parameter == values);
        _buffers.RemoveAll(entry => entry.Buffer == values);
    }

    /// <summary>The parameters that are this module's own.</summary>
    internal IEnumerable<Parameter> OwnParameters() => _parameters.Select(entry => entry.Parameter);

    /// <summary>The child modules with their names.</summary>
    internal IEnumerable<(string Name, Module Module)> NamedChildren() => _children;

    /// <summary>Moves parameters and buffers to a device, and gives parameters their names.</summary>
    internal void MoveTo(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        _ = Parameters();
        foreach ((_, Parameter values) in State())
            values.EnsureMayMoveTo(device);
        foreach ((_, Parameter values) in State())
            values.MoveTo(device);
        foreach ((_, IQuantizable layer) in IQuantizable.Of(this))
            layer.MoveIntegers(device);
    }

    internal void ConvertTo(DType dtype)
    {
        if (!dtype.IsComputeType())
            throw new ArgumentException($"Parameters are float32, bfloat16 or float16, not {dtype}.", nameof(dtype));
        if (IQuantizable.Of(this).FirstOrDefault(each => each.Layer.Quantized is not null) is { Layer: not null } layer)
            throw new InvalidOperationException(
                $"Layer '{layer.Name}' is quantised: it computes with integers. Convert the model before."
            );
        (Parameter Parameter, DType DType)[] all =
        [
            .. Parameters().Select(parameter => (parameter, parameter.KeepsFloat32 ? DType.Float32 : dtype)),
        ];
        foreach ((Parameter parameter, DType type) in all)
            parameter.EnsureMayBecome(type);
        foreach ((Parameter parameter, DType type) in all)
            parameter.Become(type);
    }

    private void SetTraining(bool training)
    {
        IsTraining = training;
        foreach ((_, Module child) in _children)
            child.SetTraining(training);
    }

    private IEnumerable<(string Name, Parameter Values)> Walk(
        string prefix,
        Func<Module, List<(string Name, Parameter Values)>> list
    )
    {
        foreach ((string name, Parameter values) in list(this))
            yield return (prefix + name, values);
        foreach ((string name, Module child) in _children)
        {
            foreach ((string Name, Parameter Values) entry in child.Walk($"{prefix}{name}.", list))
                yield return entry;
        }
    }

    private void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.Contains('.', StringComparison.Ordinal))
            throw new ArgumentException(
                $"'{name}' contains a dot, which separates the names of nested modules.",
                nameof(name)
            );
        if (
            _parameters.Exists(entry => entry.Name == name)
            || _buffers.Exists(entry => entry.Name == name)
            || _children.Exists(entry => entry.Name == name)
        )
            throw new ArgumentException($"The module has something named '{name}' already.", nameof(name));
    }
}

/// <summary>Extensions of modules that return the module's own type.</summary>
public static class ModuleExtensions
{
    /// <summary>Moves a module's parameters and buffers to a device. Do this before its optimizer is created.</summary>
    /// <returns>The same module.</returns>
    /// <exception cref="InvalidOperationException">The device is another, and an optimizer holds one of the
    /// parameters.</exception>
    /// <exception cref="ObjectDisposedException">The module was disposed.</exception>
    public static T To<T>(this T module, Device device)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.MoveTo(device);
        return module;
    }

    /// <summary>
    /// Rounds a module's parameters to bfloat16 or float16, or widens them to float32, as <c>torch.nn.Module.to</c> and
    /// <c>.bfloat16()</c> do. Under an <see cref="Autocast"/> of that type operators compute with them as they are,
    /// without copies. <see cref="OptimizerOptions.MasterFormat"/> says how an optimizer keeps their float32 masters,
    /// which begin with the rounded values. Do this before the optimizer is created.
    /// </summary>
    /// <param name="module">The module.</param>
    /// <param name="dtype">BFloat16, Float16 or Float32.</param>
    /// <returns>The same module.</returns>
    /// <remarks>Parameters that say <see cref="Parameter.KeepsFloat32"/>, and buffers, stay float32.</remarks>
    /// <exception cref="ArgumentException">Another type. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">An optimizer holds one of the parameters, or the module is
    /// quantised. Nothing was changed.</exception>
    /// <exception cref="ObjectDisposedException">The module was disposed.</exception>
    public static T To<T>(this T module, DType dtype)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.ConvertTo(dtype);
        return module;
    }
}
