namespace NativeAmp;

/// <summary>Checks the parameters and groups of a new optimizer.</summary>
internal static class OptimizerChecks
{
    /// <summary>Checks that one optimizer can train all the parameters.</summary>
    /// <exception cref="ArgumentException">One is given twice, is on another device, shares another's memory, or has a
    /// shape that does not fit its count.</exception>
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
    /// <exception cref="ArgumentException">They round compute copies in different ways.</exception>
    public static void Groups(ParameterGroup[] groups)
    {
        foreach (var group in groups)
        {
            if (
                group.Options.CopyRounding != groups[0].Options.CopyRounding
                || group.Options.RoundingSeed != groups[0].Options.RoundingSeed
            )
                throw new ArgumentException("All groups of an optimizer must round compute copies in the same way.");
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
