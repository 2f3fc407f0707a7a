namespace NativeAmp;

/// <summary>The precision policy in force on this thread.</summary>
/// <example>
/// <code>
/// using (Autocast.Enter(policy))
/// {
///     var loss = Loss.CrossEntropy(model.Forward(images), labels);
/// }
/// </code>
/// </example>
public static class Autocast
{
    [ThreadStatic]
    private static PrecisionPolicy? _current;

    [ThreadStatic]
    private static int _depth;

    /// <summary>The policy in force; null outside of every scope and inside of <see cref="Disable"/>.</summary>
    public static PrecisionPolicy? Current => _current;

    /// <summary>Whether a policy is in force.</summary>
    public static bool IsEnabled => _current is not null;

    /// <summary>Puts a policy in force on this thread until the scope is disposed. Scopes nest; the innermost counts.</summary>
    public static AutocastScope Enter(PrecisionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Push(policy);
    }

    /// <summary>Puts no policy in force until the scope is disposed: operators take their inputs' types.</summary>
    public static AutocastScope Disable() => Push(null);

    /// <summary>The type that an operator computes in, here and now: the policy's, or without one its widest input's.</summary>
    /// <param name="name">The operator, as in <see cref="OperatorLists"/>.</param>
    /// <param name="widestInput">The widest type among its inputs.</param>
    public static DType TypeOf(string name, DType widestInput) => _current?.TypeOf(name, widestInput) ?? widestInput;

    internal static void Leave(PrecisionPolicy? outer, int depth)
    {
        // A scope that was left before, with one around it or on another thread, has nothing to undo.
        if (_depth < depth) return;
        _current = outer;
        _depth = depth - 1;
    }

    private static AutocastScope Push(PrecisionPolicy? policy)
    {
        var scope = new AutocastScope(_current, ++_depth);
        _current = policy;
        return scope;
    }
}

/// <summary>What <see cref="Autocast.Enter"/> gives: disposing it puts the policy before back in force.</summary>
public readonly struct AutocastScope : IDisposable
{
    private readonly PrecisionPolicy? _outer;
    private readonly int _depth;

    internal AutocastScope(PrecisionPolicy? outer, int depth)
    {
        _outer = outer;
        _depth = depth;
    }

    /// <summary>Leaves the scope, and every scope entered within it. To do so twice is harmless.</summary>
    public void Dispose()
    {
        if (_depth > 0) Autocast.Leave(_outer, _depth);
    }
}
