namespace NativeAmp;

/// <summary>
/// The precision policy of the current flow of control. It persists over <c>await</c> and flows into tasks started
/// within its scope; other threads do not see it.
/// </summary>
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
    private static readonly AsyncLocal<AutocastFrame?> s_innermost = new();

    /// <summary>The policy in force; null outside of every scope, and within <see cref="Disable"/>.</summary>
    public static PrecisionPolicy? Current => s_innermost.Value?.Policy;

    /// <summary>Whether a policy is in force.</summary>
    public static bool IsEnabled => Current is not null;

    /// <summary>
    /// Puts a policy in force in this flow of control until the scope is disposed. Scopes nest; the innermost counts.
    /// </summary>
    public static AutocastScope Enter(PrecisionPolicy policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Push(policy);
    }

    /// <summary>Turns autocast off until the scope is disposed: operators compute in their inputs' types.</summary>
    public static AutocastScope Disable() => Push(null);

    /// <summary>
    /// The type that an operator computes in now: the policy's, or without a policy the widest type among its inputs.
    /// </summary>
    /// <param name="name">The operator, as in <see cref="OperatorLists"/>.</param>
    /// <param name="widestInput">The widest type among its inputs.</param>
    public static DType TypeOf(string name, DType widestInput) => Current?.TypeOf(name, widestInput) ?? widestInput;

    internal static void Leave(AutocastFrame frame)
    {
        // A scope that was already left, with an outer one or in another flow, has nothing to undo.
        for (AutocastFrame? open = s_innermost.Value; open is not null; open = open.Outer)
        {
            if (open != frame)
                continue;
            s_innermost.Value = frame.Outer;
            return;
        }
    }

    private static AutocastScope Push(PrecisionPolicy? policy)
    {
        var frame = new AutocastFrame(policy, s_innermost.Value);
        s_innermost.Value = frame;
        return new AutocastScope(frame);
    }
}

/// <summary>The scope of <see cref="Autocast.Enter"/>. Disposing it puts the previous policy back in force.</summary>
public readonly struct AutocastScope : IDisposable
{
    private readonly AutocastFrame? _frame;

    internal AutocastScope(AutocastFrame frame) => _frame = frame;

    /// <summary>Leaves the scope, and every scope entered within it. A second call does nothing.</summary>
    public void Dispose()
    {
        if (_frame is not null)
            Autocast.Leave(_frame);
    }
}

/// <summary>A policy in force (null for none), and the frame around it.</summary>
internal sealed class AutocastFrame(PrecisionPolicy? policy, AutocastFrame? outer)
{
    public PrecisionPolicy? Policy { get; } = policy;

    public AutocastFrame? Outer { get; } = outer;
}
