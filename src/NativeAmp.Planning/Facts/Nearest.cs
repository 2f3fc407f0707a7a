namespace NativeAmp.Planning;

/// <summary>Finds known names near a misspelled one.</summary>
internal static class Nearest
{
    private const int LongestName = 64;

    /// <summary>A hint with the near names, or nothing if there are none.</summary>
    public static string Hint(string name, IEnumerable<string> known)
    {
        string[] near = Names(name, known);
        return near.Length == 0 ? "" : $" (near: {string.Join(", ", near)})";
    }

    /// <summary>
    /// Up to three known names, the nearest first: those that begin alike, or differ in at most a third of the letters.
    /// </summary>
    public static string[] Names(string name, IEnumerable<string> known)
    {
        string wanted = name.ToLowerInvariant();
        if (wanted.Length > LongestName)
            return [];
        return
        [
            .. known
                .Select(k =>
                    (
                        Name: k,
                        Distance: Distance(wanted, k),
                        Alike: wanted.Length >= 3 && k.StartsWith(wanted, StringComparison.Ordinal)
                    )
                )
                .Where(k => k.Alike || k.Distance <= Math.Max(1, wanted.Length / 3))
                .OrderBy(k => k.Alike ? 0 : k.Distance)
                .ThenBy(k => k.Name, StringComparer.Ordinal)
                .Take(3)
                .Select(k => k.Name),
        ];
    }

    // Levenshtein's: letters to insert, drop or change.
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
