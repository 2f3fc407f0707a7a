using System.Collections.Immutable;

namespace NativeAmp;

/// <summary>The types that a model trains in. An immutable value, with a text form.</summary>
/// <remarks>
/// The text form is <c>params=float32,compute=float16,loss=float32</c>, followed by operators whose precision differs
/// from <see cref="OperatorLists"/>, such as <c>softmax=compute</c>; or one of the names O0 to O3. Under every policy
/// losses are computed in float32, and so are the parameters that an optimizer's step updates; any other choice is an
/// error. <see cref="OptimizerOptions.MasterFormat"/> is about models whose parameters are in half precision.
/// </remarks>
public sealed class PrecisionPolicy : IEquatable<PrecisionPolicy>
{
    private readonly ImmutableSortedDictionary<string, OperatorPrecision> _overrides;

    private PrecisionPolicy(DType compute, ImmutableSortedDictionary<string, OperatorPrecision> overrides)
    {
        Compute = compute;
        _overrides = overrides;
    }

    /// <summary>Everything in float32.</summary>
    public static PrecisionPolicy Float32 { get; } =
        new(DType.Float32, ImmutableSortedDictionary.Create<string, OperatorPrecision>(StringComparer.Ordinal));

    /// <summary>float16 where <see cref="OperatorLists"/> says so; needs a <see cref="GradScaler"/>.</summary>
    public static PrecisionPolicy Float16 { get; } = Float32.WithCompute(DType.Float16);

    /// <summary>
    /// bfloat16 where <see cref="OperatorLists"/> says so; has float32's range and needs no <see cref="GradScaler"/>.
    /// </summary>
    public static PrecisionPolicy BFloat16 { get; } = Float32.WithCompute(DType.BFloat16);

    /// <summary>O0 of Apex and MindSpore: everything in float32.</summary>
    public static PrecisionPolicy O0 => Float32;

    /// <summary>O1 of Apex and MindSpore: float16 by operator lists.</summary>
    public static PrecisionPolicy O1 => Float16;

    /// <summary>
    /// O2 of Apex and MindSpore: everything in float16 but normalizations and losses; master weights in float32.
    /// </summary>
    public static PrecisionPolicy O2 { get; } = AllBut(Float16, OperatorLists.Norms, OperatorPrecision.Float32);

    /// <summary>
    /// O3 of Apex and MindSpore: everything in float16 but losses. Unlike there, master weights stay in float32.
    /// </summary>
    public static PrecisionPolicy O3 { get; } = AllBut(Float16, OperatorLists.Norms, OperatorPrecision.Compute);

    /// <summary>Type of the parameters that the optimizer updates: float32.</summary>
    public DType Parameters => DType.Float32;

    /// <summary>
    /// Type of the inputs and outputs of operators with the precision <see cref="OperatorPrecision.Compute"/>.
    /// </summary>
    public DType Compute { get; }

    /// <summary>Type that losses are computed in: float32.</summary>
    public DType Loss => DType.Float32;

    /// <summary>Operators whose precision differs from <see cref="OperatorLists.Default"/>.</summary>
    public IReadOnlyDictionary<string, OperatorPrecision> Overrides => _overrides;

    /// <summary>Whether gradients need a loss scale: the compute type has a smaller range than float32.</summary>
    public bool NeedsLossScale => Compute == DType.Float16;

    /// <summary>The same policy with another compute type.</summary>
    /// <exception cref="ArgumentException">The type is not float32, float16 or bfloat16.</exception>
    public PrecisionPolicy WithCompute(DType compute) =>
        compute.IsComputeType()
            ? new PrecisionPolicy(compute, _overrides)
            : throw new ArgumentException(
                $"A network cannot compute in {compute}; the types are float32, float16 and bfloat16.",
                nameof(compute)
            );

    /// <summary>The same policy with another precision for one operator.</summary>
    /// <exception cref="ArgumentException">There is no such operator, or it is a loss and the precision is not
    /// float32.</exception>
    public PrecisionPolicy WithOperator(string name, OperatorPrecision precision)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!OperatorLists.Default.TryGetValue(name, out var usual))
            throw new ArgumentException(
                $"There is no operator '{name}'; these are "
                    + $"{string.Join(", ", OperatorLists.Default.Keys.Order(StringComparer.Ordinal))}.",
                nameof(name)
            );
        if (!Enum.IsDefined(precision))
            throw new ArgumentException($"{precision} is no precision of an operator.", nameof(precision));
        if (OperatorLists.Losses.Contains(name) && precision != OperatorPrecision.Float32)
            throw new ArgumentException($"{name} is a loss, and losses are computed in float32.", nameof(precision));
        return new PrecisionPolicy(
            Compute,
            precision == usual ? _overrides.Remove(name) : _overrides.SetItem(name, precision)
        );
    }

    /// <summary>The precision of an operator; <see cref="OperatorPrecision.WidestInput"/> for an unknown one.</summary>
    public OperatorPrecision PrecisionOf(string name) =>
        _overrides.TryGetValue(name, out var precision) || OperatorLists.Default.TryGetValue(name, out precision)
            ? precision
            : OperatorPrecision.WidestInput;

    /// <summary>The type that an operator computes in.</summary>
    /// <param name="name">The operator, as in <see cref="OperatorLists"/>.</param>
    /// <param name="widestInput">The widest type among its inputs.</param>
    public DType TypeOf(string name, DType widestInput) =>
        PrecisionOf(name) switch
        {
            OperatorPrecision.Compute => Compute,
            OperatorPrecision.Float32 => DType.Float32,
            _ => widestInput,
        };

    /// <summary>Reads a policy.</summary>
    /// <param name="text">Such as <c>params=float32,compute=float16,loss=float32</c>, <c>O1</c> or <c>bfloat16</c>; the
    /// compute type must be given, the rest may be left out.</param>
    /// <exception cref="FormatException">The text is not a policy; the message says where.</exception>
    public static PrecisionPolicy Parse(string text) => PrecisionPolicyParser.Parse(text);

    /// <summary>Reads a policy; false, with the reason, if the text is not one.</summary>
    public static bool TryParse(string? text, out PrecisionPolicy? policy, out string? error)
    {
        try
        {
            policy = PrecisionPolicyParser.Parse(text ?? "");
            error = null;
            return true;
        }
        catch (FormatException failure)
        {
            policy = null;
            error = failure.Message;
            return false;
        }
    }

    /// <summary>The text that <see cref="Parse"/> reads back to an equal policy.</summary>
    public override string ToString() =>
        $"params={Parameters.Name()},compute={Compute.Name()},loss={Loss.Name()}"
        + string.Concat(_overrides.Select(o => $",{o.Key}={PrecisionPolicyParser.NameOf(o.Value)}"));

    /// <inheritdoc/>
    public bool Equals(PrecisionPolicy? other) =>
        other is not null && Compute == other.Compute && _overrides.SequenceEqual(other._overrides);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PrecisionPolicy);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Compute, _overrides.Count);

    /// <summary>Whether the policies are the same.</summary>
    public static bool operator ==(PrecisionPolicy? left, PrecisionPolicy? right) =>
        left is null ? right is null : left.Equals(right);

    /// <summary>Whether the policies differ.</summary>
    public static bool operator !=(PrecisionPolicy? left, PrecisionPolicy? right) => !(left == right);

    private static PrecisionPolicy AllBut(PrecisionPolicy policy, IEnumerable<string> norms, OperatorPrecision ofNorms)
    {
        foreach (string name in OperatorLists.Default.Keys.Except(OperatorLists.Losses))
            policy = policy.WithOperator(name, OperatorPrecision.Compute);
        foreach (string name in norms)
            policy = policy.WithOperator(name, ofNorms);
        return policy;
    }
}
