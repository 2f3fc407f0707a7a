using System.Text.RegularExpressions;

namespace NativeAmp.Tests;

/// <summary>
/// Dependencies point one way: Cli → Training → core → nativeamp.h → backend.h → cpu → formulas. The compiler checks
/// some of that; these tests check the rest.
/// </summary>
public partial class ArchitectureTests
{
    private const int MostLinesOfAFile = 400;
    private const int MostColumns = 120;

    // The folder of native/ → the folders that it must not include. "backend.h" is the seam between abi and cpu: both
    // may use it.
    private static readonly Dictionary<string, string[]> NotForNative = new()
    {
        ["native/formulas/"] = ["abi/", "cpu/", "cuda/", "backend.h"],
        ["native/cpu/"] = ["abi/", "cuda/"],
        ["native/cuda/"] = ["abi/", "cpu/", "hwy/", "dnnl"],
        ["native/abi/"] = ["cpu/", "cuda/", "formulas/"],
        ["native/lists/"] = ["abi/", "cpu/", "cuda/", "backend.h"],
        ["native/include/"] = ["abi/", "cpu/", "cuda/", "formulas/", "lists/", "backend.h"],
    };

    // The folder of src/ → the projects it may refer to.
    private static readonly Dictionary<string, string[]> ForManaged = new()
    {
        // No assembly: the packages of the native library, one for each system.
        ["NativeAmp"] = ["NativeAmp.Native.%(Identity)"],
        ["NativeAmp.Training"] = ["NativeAmp"],
        ["NativeAmp.Reports"] = [],
        ["NativeAmp.Planning"] = [],
        ["NativeAmp.Telemetry"] = ["NativeAmp"],
        ["NativeAmp.Numerics.Tensors"] = ["NativeAmp.Training"],
        ["NativeAmp.Onnx"] = ["NativeAmp.Training"],
        ["NativeAmp.TorchSharp"] = ["NativeAmp"],
        ["NativeAmp.ILGPU"] = ["NativeAmp"],
        // The second one is compiled against alone, and is in no package.
        ["NativeAmp.ManagedCuda"] = ["NativeAmp", "ManagedCuda.netCore"],
        ["NativeAmp.Extensions"] = ["NativeAmp.Training"],
        ["NativeAmp.Cli"] =
        [
            "NativeAmp.Reports",
            "NativeAmp.Planning",
            "NativeAmp.Telemetry",
            "NativeAmp.Training",
            "NativeAmp.Onnx",
            "NativeAmp",
        ],
        ["NativeAmp.Bindings"] = [],
    };

    [GeneratedRegex("""^\s*#\s*include\s+["<]([^">]+)[">]""", RegexOptions.Multiline)]
    private static partial Regex Include();

    [GeneratedRegex("""<ProjectReference\s+Include="[^"]*?([^"/\\]+)\.csproj""")]
    private static partial Regex ProjectReference();

    // Words that hide the subject of a sentence. The patterns do not match themselves.
    [GeneratedRegex("""\b(who[e]ver|so[ ]many)\b""", RegexOptions.IgnoreCase)]
    private static partial Regex HiddenSubject();

    [GeneratedRegex("""^\s*///\s*(<summary>\s*)?What\b""")]
    private static partial Regex Question();

    [Test]
    public void Native_folders_include_only_what_lies_below_them()
    {
        var wrong =
            from file in Repository.Files("native", ".h", ".cpp", ".cu", ".cuh")
            from rule in NotForNative
            where file.StartsWith(rule.Key, StringComparison.Ordinal)
            from include in Include().Matches(Repository.Read(file)).Select(m => FromNative(file, m.Groups[1].Value))
            where rule.Value.Any(forbidden => include.StartsWith(forbidden, StringComparison.Ordinal))
            select $"{file} includes {include}";

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Only_a_backend_knows_a_SIMD_or_GEMM_library()
    {
        var wrong =
            from file in Repository.Files("native", ".h", ".cpp")
            where !file.StartsWith("native/cpu/", StringComparison.Ordinal)
            from include in Include().Matches(Repository.Read(file)).Select(m => m.Groups[1].Value)
            where
                include.StartsWith("hwy/", StringComparison.Ordinal)
                || include.StartsWith("dnnl", StringComparison.Ordinal)
                || include.StartsWith("oneapi/", StringComparison.Ordinal)
            select $"{file} includes {include}";

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Projects_refer_only_to_what_lies_below_them()
    {
        var references =
            from file in Repository.Files("src", ".csproj")
            let project = Path.GetFileNameWithoutExtension(file)
            from reference in ProjectReference().Matches(Repository.Read(file)).Select(m => m.Groups[1].Value)
            where !ForManaged.TryGetValue(project, out var allowed) || !allowed.Contains(reference)
            select $"{project} refers to {reference}";

        Assert.That(references, Is.Empty);
    }

    [Test]
    public void The_core_knows_nothing_of_training()
    {
        var wrong = Repository
            .Files("src/NativeAmp", ".cs")
            .Where(file => Repository.Read(file).Contains("NativeAmp.Training", StringComparison.Ordinal));

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Native_methods_are_called_from_the_core_alone()
    {
        var wrong = Repository
            .Files("src", ".cs")
            .Where(file => !file.StartsWith("src/NativeAmp/", StringComparison.Ordinal))
            .Where(file => !file.StartsWith("src/NativeAmp.Bindings/", StringComparison.Ordinal))
            .Where(file =>
                Repository.Read(file) is var text
                && (
                    text.Contains("LibraryImport", StringComparison.Ordinal)
                    || text.Contains("DllImport", StringComparison.Ordinal)
                )
            );

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void A_file_is_about_one_thing()
    {
        // The header is one contract, and the generated bindings mirror it; all other files can be divided.
        var tooLong =
            from file in Repository.Files("native", ".h", ".cpp", ".cu", ".cuh").Concat(Repository.Files("src", ".cs"))
            where !file.EndsWith(".g.cs", StringComparison.Ordinal) && file != "native/include/nativeamp.h"
            let lines = File.ReadLines(Path.Combine(Repository.Root, file)).Count()
            where lines > MostLinesOfAFile
            select $"{file}: {lines} lines";

        Assert.That(tooLong, Is.Empty);
    }

    [Test]
    public void A_line_of_csharp_has_120_columns()
    {
        var tooLong =
            from folder in new[] { "src", "tests", "benchmarks", "samples" }
            from file in Repository.Files(folder, ".cs")
            where !file.EndsWith(".g.cs", StringComparison.Ordinal)
            from line in LinesWithoutText(Repository.Read(file))
            where line.Text.Length > MostColumns
            select $"{file}:{line.Number}: {line.Text.Length} columns";

        Assert.That(tooLong, Is.Empty);
    }

    [Test]
    public void Sentences_name_their_subject()
    {
        string[] extensions = [".cs", ".c", ".h", ".cpp", ".cu", ".cuh", ".txt", ".cmake", ".sh", ".ps1", ".py", ".md"];
        var wrong =
            from file in new[] { "src", "native", "tests", "benchmarks", "samples", "docs", "cmake" }
                .SelectMany(folder => Repository.Files(folder, extensions))
                .Concat(["README.md", "CONTRIBUTING.md", "CMakeLists.txt", "build.sh", "build.ps1"])
            from line in Lines(file)
            where HiddenSubject().IsMatch(line.Text)
            select $"{file}:{line.Number}: {line.Text.Trim()}";

        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Summaries_begin_with_no_question()
    {
        var wrong =
            from file in Repository.Files("src", ".cs")
            from line in Lines(file)
            where Question().IsMatch(line.Text)
            select $"{file}:{line.Number}: {line.Text.Trim()}";

        Assert.That(wrong, Is.Empty);
    }

    private static IEnumerable<(string Text, int Number)> Lines(string file) =>
        Repository.Read(file).Split('\n').Select((line, index) => (line, index + 1));

    // Comments, and code that holds no text: the formatter breaks code but not text, and not every text can be broken.
    private static IEnumerable<(string Text, int Number)> LinesWithoutText(string file)
    {
        bool isRaw = false;
        int number = 0;
        foreach (string line in file.Split('\n'))
        {
            number++;
            bool isComment = line.TrimStart().StartsWith("//", StringComparison.Ordinal);
            if (line.Split("\"\"\"").Length % 2 == 0)
                isRaw = !isRaw;
            else if (!isRaw && (isComment || !line.Contains('"', StringComparison.Ordinal)))
                yield return (line, number);
        }
    }

    // An include as a path below native/: "../abi/x.h" in native/cpu/ and "abi/x.h" are one thing.
    private static string FromNative(string file, string include)
    {
        if (!include.StartsWith('.'))
            return include;

        string path = Path.GetFullPath(Path.Combine(Repository.Root, Path.GetDirectoryName(file)!, include));
        return Path.GetRelativePath(Path.Combine(Repository.Root, "native"), path).Replace('\\', '/');
    }
}
