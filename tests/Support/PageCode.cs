using System.Reflection;
using System.Text.RegularExpressions;

namespace NativeAmp.TestSupport;

/// <summary>The C# of a page of the documentation, which has to be a sample's.</summary>
internal static partial class PageCode
{
    private static readonly string s_root = typeof(PageCode)
        .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(entry => entry.Key == "RepositoryRoot")
        .Value!;

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();

    /// <summary>
    /// Checks that the page has as many pieces of code as there are files, and that the lines of each are lines of its
    /// file, in the same order. Comments at their ends may differ.
    /// </summary>
    public static void IsThatOf(string page, params string[] files)
    {
        string[] pieces =
        [
            .. Code().Matches(File.ReadAllText(Path.Combine(s_root, page))).Select(match => match.Groups[1].Value),
        ];

        Assert.That(pieces, Has.Length.EqualTo(files.Length));
        for (int i = 0; i < files.Length; i++)
        {
            string[] sample = Lines(File.ReadAllText(Path.Combine(s_root, files[i])));
            int at = 0;
            foreach (string line in Lines(pieces[i]))
            {
                at = Array.IndexOf(sample, line, at) + 1;
                Assert.That(at, Is.Positive, $"{files[i]} has no '{line}' there");
            }
        }
    }

    private static string[] Lines(string text) =>
        [.. text.Split('\n').Select(line => line.Split(" //")[0].Trim()).Where(line => line.Length > 0)];
}
