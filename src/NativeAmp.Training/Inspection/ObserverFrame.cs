using System.Collections.Concurrent;

namespace NativeAmp.Training;

/// <summary>An observer in force in a flow of control, and the names that it knows.</summary>
internal sealed class ObserverFrame : IDisposable
{
    private static readonly AsyncLocal<ObserverFrame?> s_innermost = new();
    private static readonly AsyncLocal<Module?> s_module = new();
    private static int s_open;

    private readonly ModelObserver _observer;
    private readonly ObserverFrame? _outer;
    private readonly Dictionary<Module, string> _modules = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Tensor, string> _parameters = new(ReferenceEqualityComparer.Instance);
    private readonly ConcurrentDictionary<(string Module, string Operation), int> _numbers = new();
    private int _closed;

    public ObserverFrame(ModelObserver observer, Module model)
    {
        _observer = observer;
        _outer = Current;
        Name(model, "");
        s_innermost.Value = this;
        Interlocked.Increment(ref s_open);
    }

    /// <summary>
    /// The frame in force here, or null. Looks at the flow of control only if there is a frame anywhere.
    /// </summary>
    public static ObserverFrame? Current =>
        Volatile.Read(ref s_open) == 0 ? null
        : s_innermost.Value is { _closed: 0 } frame ? frame
        : null;

    /// <summary>Marks a module as the one that computes until the result is disposed.</summary>
    public static ModuleScope Enter(Module module)
    {
        if (Current is null)
            return default;
        Module? outer = s_module.Value;
        s_module.Value = module;
        return new ModuleScope(outer, true);
    }

    /// <summary>Called when an operator was recorded and its output is computed.</summary>
    public void Recorded(Node node)
    {
        node.ObservedModule = ModuleOf(node);
        node.ObservedNumber = _numbers.AddOrUpdate((node.ObservedModule, node.Operation), 1, (_, number) => number + 1);
        using Glimpse glimpse = new(node.Output, node.Output.Storage, node.Output.DType);
        _observer.OnActivation(
            new Observation(node.ObservedModule, node.Operation, node.ObservedNumber, glimpse.Tensor)
        );
    }

    /// <summary>Called before a node's backward pass.</summary>
    public void GoesBack(Node node)
    {
        GradientBuffer gradient = node.Output.GradientBuffer;
        using Glimpse glimpse = new(node.Output, gradient.Storage, gradient.DType);
        _observer.OnGradient(
            new Observation(node.ObservedModule ?? ModuleOf(node), node.Operation, node.ObservedNumber, glimpse.Tensor)
        );
    }

    /// <summary>Called after a node's backward pass.</summary>
    public void WentBack(Node node)
    {
        foreach (Edge edge in node.Edges)
        {
            if (
                edge.Tensor is not Parameter parameter
                || !node.Wants(parameter)
                || parameter.GradientBufferOrNull is not { HasValue: true } gradient
            )
                continue;
            using Glimpse glimpse = new(parameter, gradient.Storage, gradient.DType);
            _observer.OnParameterGradient(
                parameter,
                new Observation(
                    _parameters.GetValueOrDefault(parameter, ""),
                    node.Operation,
                    node.ObservedNumber,
                    glimpse.Tensor
                )
            );
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        Interlocked.Decrement(ref s_open);
        if (s_innermost.Value == this)
            s_innermost.Value = _outer;
    }

    private string ModuleOf(Node node)
    {
        foreach (Edge edge in node.Edges)
        {
            if (edge.Tensor is Parameter && _parameters.TryGetValue(edge.Tensor, out string? owner))
                return owner;
        }

        return s_module.Value is { } module ? _modules.GetValueOrDefault(module, "") : "";
    }

    private void Name(Module module, string path)
    {
        _modules.TryAdd(module, path);
        foreach (Parameter parameter in module.OwnParameters())
            _parameters.TryAdd(parameter, path);
        foreach ((string name, Module child) in module.NamedChildren())
            Name(child, path.Length == 0 ? name : $"{path}.{name}");
    }

    /// <summary>A scope in which a module computes.</summary>
    internal readonly struct ModuleScope(Module? outer, bool entered) : IDisposable
    {
        public void Dispose()
        {
            if (entered)
                s_module.Value = outer;
        }
    }

    /// <summary>A tensor over memory that an observer sees during one call.</summary>
    private readonly ref struct Glimpse(Tensor of, Storage storage, DType dtype)
    {
        public Tensor Tensor { get; } = new(of.Device, of.Shape, dtype, storage.Share()) { IsCallers = false };

        public void Dispose() => Tensor.Release("an observer was shown it for a moment; copy what is to stay");
    }
}
