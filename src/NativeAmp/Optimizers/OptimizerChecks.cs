namespace NativeAmp;

/// <summary>Whether an optimizer can be made of these parameters and groups.</summary>
internal static class OptimizerChecks
{
    /// <summary>Whether one optimizer can train them all.</summary>
    /// <exception cref="ArgumentException">One is given twice, is on another device, or has another one's memory or a
    /// shape that is not its own.</exception>
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

    /// <summary>Whether all groups can be one step.</summary>
    /// <exception cref="ArgumentException">They round compute copies in several ways.</exception>
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
