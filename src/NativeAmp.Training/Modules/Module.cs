namespace NativeAmp.Training;

/// <summary>
/// A part of a network: parameters that are learned, buffers that are only kept (running statistics), and modules
/// inside. Names are PyTorch's: "0.weight", "attention.projection.bias".
/// </summary>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];
    private readonly List<(string Name, Parameter Buffer)> _buffers = [];
    private readonly List<(string Name, Module Module)> _children = [];

    /// <summary>
    /// Whether the module behaves as in training (dropout drops, batch norm looks at its batch). It does from the
    /// start.
    /// </summary>
    public bool IsTraining { get; private set; } = true;

    /// <summary>The module's output.</summary>
    public abstract Tensor Forward(Tensor input);

    /// <summary>
    /// <see cref="Forward"/>, by a name that a <see cref="ModelObserver"/> knows: what this module computes itself is
    /// this module's then. A module that calls those inside so is seen in its parts; where nobody observes it is the
    /// same.
    /// </summary>
    public Tensor Call(Tensor input)
    {
        using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(this);
        return Forward(input);
    }

    /// <summary>The parameters, each once, in the order of their names' appearance, under their full names.</summary>
    public IReadOnlyList<Parameter> Parameters()
    {
        var parameters = new List<Parameter>();
        var seen = new HashSet<Parameter>();
        foreach ((string name, Parameter parameter) in NamedParameters())
        {
            if (!seen.Add(parameter))
                continue;
            // A part of the model may be asked for its parameters too; the name that reaches furthest up stays.
            if (parameter.Name.Length == 0 || name.EndsWith($".{parameter.Name}", StringComparison.Ordinal))
                parameter.Name = name;
            parameters.Add(parameter);
        }

        return parameters;
    }

    /// <summary>
    /// The parameters with their full names. One that several modules share appears under each of its names.
    /// </summary>
    public IEnumerable<(string Name, Parameter Parameter)> NamedParameters() => Walk("", module => module._parameters);

    /// <summary>
    /// The buffers with their full names: float32 values that belong to the model's state but are not learned.
    /// </summary>
    public IEnumerable<(string Name, Parameter Buffer)> NamedBuffers() => Walk("", module => module._buffers);

    /// <summary>
    /// Everything that makes up the model's state, under full names: parameters, then buffers, each once.
    /// </summary>
    public IEnumerable<(string Name, Parameter Values)> State() =>
        NamedParameters().Concat(NamedBuffers()).DistinctBy(entry => entry.Item2);

    /// <summary>The modules directly inside.</summary>
    public IEnumerable<Module> Children() => _children.Select(child => child.Module);

    /// <summary>Makes this module and those inside behave as in training.</summary>
    public void Train() => SetTraining(true);

    /// <summary>Makes this module and those inside behave as in use.</summary>
    public void Eval() => SetTraining(false);

    /// <summary>Marks every parameter's gradient as empty.</summary>
    public void ZeroGrad()
    {
        foreach ((_, Parameter parameter) in NamedParameters())
            parameter.ZeroGrad();
    }

    /// <summary>Number of learned values.</summary>
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

    /// <summary>A parameter with the initial values of an initializer.</summary>
    /// <param name="shape">The parameter's shape.</param>
    /// <param name="initializer">Draws the values.</param>
    /// <param name="random">From where; null for <see cref="RandomGenerator.Default"/>.</param>
    protected static Parameter Create(Shape shape, Initializer initializer, RandomGenerator? random = null)
    {
        ArgumentNullException.ThrowIfNull(initializer);
        return new Parameter(initializer(shape, random ?? RandomGenerator.Default), shape);
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

    /// <summary>The parameters that are this module's own.</summary>
    internal IEnumerable<Parameter> OwnParameters() => _parameters.Select(entry => entry.Parameter);

    /// <summary>The modules directly inside, with their names.</summary>
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

/// <summary>What every module can do and gives back as its own type.</summary>
public static class ModuleExtensions
{
    /// <summary>Moves a module's parameters and buffers to a device. Do this before its optimizer is made.</summary>
    /// <returns>The same module.</returns>
    /// <exception cref="InvalidOperationException">An optimizer holds one of its parameters, and the device is
    /// another.</exception>
    /// <exception cref="ObjectDisposedException">The module was disposed.</exception>
    public static T To<T>(this T module, Device device)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.MoveTo(device);
        return module;
    }
}
