namespace NativeAmp;

/// <summary>
/// What an optimizer calls its parameters, in messages and states: each by a name of its own, which the order of
/// parameters alone decides.
/// </summary>
internal static class ParameterNames
{
    /// <summary>
    /// A name for each parameter: its own, behind its group's where that has one. Names that several models use are
    /// told apart by a number: "0.weight" is the first of that name, "2:0.weight" the second. One without a name is
    /// called by its place.
    /// </summary>
    public static string[] Of(IEnumerable<ParameterGroup> groups)
    {
        string[] given =
        [
            .. groups
                .SelectMany(group => group.Parameters.Select(parameter => (group.Name, parameter.Name)))
                .Select(Given),
        ];
        var all = given.ToHashSet(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        return [.. given.Select(name => seen.Add(name) ? name : Numbered(name))];

        string Numbered(string name)
        {
            string numbered;
            do
            {
                numbers[name] = numbers.GetValueOrDefault(name, 1) + 1;
                numbered = $"{numbers[name]}:{name}";
            } while (!all.Add(numbered));
            return numbered;
        }
    }

    private static string Given((string? Group, string Own) names, int index)
    {
        string own = names.Own.Length == 0 ? $"parameter{index}" : names.Own;
        return names.Group is null ? own : $"{names.Group}.{own}";
    }
}
