using System.Reflection;

namespace NativeAmp.Tests;

/// <summary>The sources that this assembly was built from, for the tests that read them.</summary>
internal static class Repository
{
    public static string Root { get; } =
        typeof(Repository)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "RepositoryRoot")
            .Value!;

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>
    /// The files below a folder, as paths from the root with forward slashes; none where there is no folder.
    /// </summary>
    public static string[] Files(string folder, params string[] extensions)
    {
        var directory = new DirectoryInfo(Path.Combine(Root, folder));
        if (!directory.Exists)
            return [];

        return
        [
            .. directory
                .EnumerateFiles("*", SearchOption.AllDirectories)
                .Where(file => extensions.Contains(file.Extension))
                .Select(file => Path.GetRelativePath(Root, file.FullName).Replace('\\', '/'))
                .Where(path => !path.Split('/').Any(part => part is "obj" or "bin"))
                .Order(StringComparer.Ordinal),
        ];
    }
}
