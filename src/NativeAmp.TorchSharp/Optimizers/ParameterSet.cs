using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>The parameters of a new optimizer, by groups.</summary>
internal static class ParameterSet
{
    /// <summary>
    /// Takes the parameters of all groups. One that a group names twice, as tied weights may be, is one parameter.
    /// </summary>
    /// <exception cref="ArgumentException">One cannot be trained, or two of them share memory.</exception>
    public static TorchParameter[][] Of(FusedParamGroup[] groups)
    {
        var taken = new List<TorchParameter>();
        try
        {
            var seen = new Dictionary<nint, int>();
            TorchParameter[][] all = [.. groups.Select((group, index) => Take(group, index, seen, taken))];
            EnsureApart(taken);
            return all;
        }
        catch
        {
            foreach (TorchParameter parameter in taken)
                parameter.Dispose();
            throw;
        }
    }

    private static TorchParameter[] Take(
        FusedParamGroup group,
        int index,
        Dictionary<nint, int> seen,
        List<TorchParameter> taken
    )
    {
        int first = taken.Count;
        foreach ((string given, Parameter parameter) in group.Parameters)
        {
            ArgumentNullException.ThrowIfNull(parameter, nameof(group.Parameters));
            string name = given.Length > 0 ? given : $"{taken.Count}";
            if (!parameter.IsInvalid && !seen.TryAdd(parameter.Handle, index))
            {
                if (seen[parameter.Handle] != index)
                    throw new ArgumentException(
                        $"The parameter '{name}' is in two groups; a step would update it twice. Leave it out of one."
                    );
                continue;
            }
            taken.Add(new TorchParameter(name, parameter));
        }
        return [.. taken[first..]];
    }

    private static void EnsureApart(IEnumerable<TorchParameter> parameters)
    {
        TorchParameter? last = null;
        foreach (var parameter in parameters.Where(p => p.Count > 0).OrderBy(p => (nuint)p.Memory.Begin))
        {
            if (last is not null && last.Device == parameter.Device && parameter.Memory.Begin < last.Memory.End)
                throw new ArgumentException(
                    $"The parameters '{last.Name}' and '{parameter.Name}' share memory; a step would update it twice. "
                        + "Tie weights by using one Parameter in both places."
                );
            last = parameter;
        }
    }
}
