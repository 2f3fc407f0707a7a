using System.Reflection;
using System.Text.Json;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>The tool's package passes on other projects' assemblies: each is named with its licence.</summary>
public class NoticesTests
{
    [Test]
    public void Every_package_that_the_command_brings_along_is_in_the_notices()
    {
        string root = typeof(NoticesTests)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .First(attribute => attribute.Key == "RepositoryRoot")
            .Value!;
        string notices = File.ReadAllText(Path.Combine(root, "THIRD-PARTY-NOTICES.txt"));
        using var document = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(TestContext.CurrentContext.TestDirectory, "NativeAmp.Cli.deps.json"))
        );
        string[] packages =
        [
            .. document
                .RootElement.GetProperty("libraries")
                .EnumerateObject()
                .Where(library => library.Value.GetProperty("type").GetString() == "package")
                .Select(library => library.Name.Split('/')[0]),
        ];

        Assert.That(packages, Has.Member("Spectre.Console"));
        // One entry stands for a project's packages: SkiaSharp for SkiaSharp.NativeAssets.Linux too.
        Assert.That(packages.Where(package => !Prefixes(package).Any(Named)), Is.Empty);

        bool Named(string name) => notices.Contains('\n' + name + ' ', StringComparison.Ordinal);
    }

    private static IEnumerable<string> Prefixes(string package)
    {
        string[] parts = package.Split('.');
        return Enumerable.Range(1, parts.Length).Select(count => string.Join('.', parts[..count]));
    }
}
