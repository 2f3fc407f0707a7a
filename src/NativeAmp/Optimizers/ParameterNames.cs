namespace NativeAmp;

/// <summary>
/// The names of an optimizer's parameters, in messages and states. Each is unique, and depends only on the order of
/// parameters.
/// </summary>
internal static class ParameterNames
{
    /// <summary>
    /// A name for each parameter: its own, with its group's name in front if there is one. A number tells equal names
    /// of several models apart: "0.weight" is the first, "2:0.weight" the second. A parameter without a name is named
    /// by its place.
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
