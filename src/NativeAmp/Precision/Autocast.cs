namespace NativeAmp;

/// <summary>
/// The precision policy in force in this flow of control: it stays over <c>await</c>, goes into tasks that are started
/// within its scope, and is nowhere else.
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

    /// <summary>The policy in force; null outside of every scope and inside of <see cref="Disable"/>.</summary>
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

    /// <summary>Puts no policy in force until the scope is disposed: operators take their inputs' types.</summary>
    public static AutocastScope Disable() => Push(null);

    /// <summary>
    /// The type that an operator computes in, here and now: the policy's, or without one its widest input's.
    /// </summary>
    /// <param name="name">The operator, as in <see cref="OperatorLists"/>.</param>
    /// <param name="widestInput">The widest type among its inputs.</param>
    public static DType TypeOf(string name, DType widestInput) => Current?.TypeOf(name, widestInput) ?? widestInput;

    internal static void Leave(AutocastFrame frame)
    {
        // A scope that was left before, with one around it or in another flow, has nothing to undo.
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

/// <summary>What <see cref="Autocast.Enter"/> gives: disposing it puts the policy before back in force.</summary>
public readonly struct AutocastScope : IDisposable
{
    private readonly AutocastFrame? _frame;

    internal AutocastScope(AutocastFrame frame) => _frame = frame;

    /// <summary>Leaves the scope, and every scope entered within it. To do so twice is harmless.</summary>
    public void Dispose()
    {
        if (_frame is not null)
            Autocast.Leave(_frame);
    }
}

/// <summary>A policy in force (or null for none), and what is in force around it.</summary>
internal sealed class AutocastFrame(PrecisionPolicy? policy, AutocastFrame? outer)
{
    public PrecisionPolicy? Policy { get; } = policy;

    public AutocastFrame? Outer { get; } = outer;
}
