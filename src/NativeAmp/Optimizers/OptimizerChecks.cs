namespace NativeAmp;

/// <summary>Checks the parameters and groups of a new optimizer.</summary>
internal static class OptimizerChecks
{
    /// <summary>Checks that one optimizer can train all the parameters.</summary>
    /// <exception cref="ArgumentException">One is given twice, is on another device, shares another's memory, has a
    /// type that is not updated, or a shape that does not fit its count.</exception>
    public static void Parameters(Device device, IParameter[] parameters, string[] names)
    {
        var seen = new Dictionary<IParameter, string>(ReferenceEqualityComparer.Instance);
        var places = new Dictionary<nint, string>();
        for (int i = 0; i < parameters.Length; i++)
        {
            var parameter = parameters[i];
            if (!seen.TryAdd(parameter, names[i]))
                throw new ArgumentException(
                    $"The parameter '{seen[parameter]}' is given twice; a step would update it twice."
                );
            if (parameter.Device != device)
                throw new ArgumentException($"The parameter '{names[i]}' is on another device than '{names[0]}'.");
            if (!parameter.DType.IsComputeType())
                throw new ArgumentException(
                    $"The values of '{names[i]}' are {parameter.DType}; an optimizer updates float32, bfloat16 or float16."
                );
            if (Product(parameter.Shape) != parameter.Count)
                throw new ArgumentException(
                    $"The parameter '{names[i]}' has {parameter.Count} elements, which is not the product of its "
                        + $"shape, [{string.Join(", ", parameter.Shape.ToArray())}]."
                );
            if (parameter.Count > 0 && !places.TryAdd(parameter.Data, names[i]))
                throw new ArgumentException(
                    $"The parameters '{places[parameter.Data]}' and '{names[i]}' are the same memory; a step would "
                        + "update it twice."
                );
        }
    }

    /// <summary>Checks that one step can take all groups.</summary>
    /// <exception cref="ArgumentException">They round weights in different ways, or keep remainders of float16
    /// parameters or of another optimizer's.</exception>
    public static void Groups(ParameterGroup[] groups)
    {
        foreach (var group in groups)
        {
            if (
                group.Options.WeightRounding != groups[0].Options.WeightRounding
                || group.Options.RoundingSeed != groups[0].Options.RoundingSeed
            )
                throw new ArgumentException("All groups of an optimizer must round weights in the same way.");
            if (
                group.Options.MasterFormat == MasterFormat.Remainder
                && group.Parameters.FirstOrDefault(p => p.DType == DType.Float16) is { } half
            )
                throw new ArgumentException(
                    $"The parameter '{half.Name}' is float16, and only bfloat16 has a remainder. Keep it in bfloat16 or "
                        + $"float32, or set {nameof(OptimizerOptions.MasterFormat)} to {nameof(MasterFormat.None)}."
                );
            // A step of the one would leave the other's remainder as it was.
            if (
                group.Parameters.FirstOrDefault(p =>
                    p is ITrackedParameter { Optimizers: { Any: true } others }
                    && (others.HasRemainder || group.Options.RemainderDType(p) != DType.None)
                ) is
                { } shared
            )
                throw new ArgumentException(
                    $"The parameter '{shared.Name}' is bfloat16 with a remainder, and belongs to another optimizer already. "
                        + "Dispose that first, or keep the parameter in float32."
                );
        }
    }

    private static Int128 Product(ReadOnlySpan<long> shape)
    {
        Int128 product = 1;
        foreach (long size in shape)
            product = Int128.Min(product * Math.Max(size, 0), long.MaxValue);
        return product;
    }
}
