using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace NativeAmp.Bindings;

/// <summary>
/// Reads a C header through clang's syntax tree as JSON: it is a compiler's view, and clang is one apt package.
/// </summary>
internal sealed class ClangHeaderReader
{
    private readonly string _prefix;
    private readonly byte[] _source;

    // Starts of members' comments. Clang attaches a comment of several lines to the members after it as well; it
    // belongs to the first.
    private readonly HashSet<int> _taken = [];

    private ClangHeaderReader(string prefix, byte[] source)
    {
        _prefix = prefix;
        _source = source;
    }

    /// <summary>Reads the header.</summary>
    /// <param name="header">The file.</param>
    /// <param name="prefix">The beginning of the names that are read.</param>
    /// <exception cref="BindingsException">Clang is not found, or refuses the header.</exception>
    public static HeaderModel Read(string header, string prefix)
    {
        if (!File.Exists(header))
            throw new BindingsException($"There is no header at '{header}'.");
        string clang = FindClang();
        string ast = Run(
            clang,
            ["-x", "c", "-std=c99", "-fsyntax-only", "-fparse-all-comments", "-Xclang", "-ast-dump=json", header]
        );
        string macros = Run(clang, ["-x", "c", "-std=c99", "-E", "-dM", header]);
        using var document = JsonDocument.Parse(ast, new JsonDocumentOptions { MaxDepth = 512 });
        return new ClangHeaderReader(prefix, File.ReadAllBytes(header)).Build(document.RootElement, macros);
    }

    private HeaderModel Build(JsonElement root, string macros)
    {
        var enums = new List<EnumType>();
        var functions = new List<Function>();
        var structs = new Dictionary<string, StructType>();
        foreach (var node in Inner(root).Where(n => NameOf(n).StartsWith(_prefix, StringComparison.Ordinal)))
        {
            string name = NameOf(node);
            switch (KindOf(node))
            {
                case "EnumDecl":
                    enums.Add(
                        new EnumType(name, CommentOf(node), [.. Inner(node, "EnumConstantDecl").Select(ReadEnumMember)])
                    );
                    break;
                case "RecordDecl":
                    // A forward declaration and the definition are two nodes. Keep the one with fields.
                    if (!structs.TryGetValue(name, out var known) || known.Fields.Count == 0)
                        structs[name] = new StructType(
                            name,
                            CommentOf(node),
                            [.. Inner(node, "FieldDecl").Select(ReadVariable)]
                        );
                    break;
                case "FunctionDecl":
                    string type = node.GetProperty("type").GetProperty("qualType").GetString()!;
                    functions.Add(
                        new Function(
                            name,
                            CommentOf(node),
                            type[..type.IndexOf('(', StringComparison.Ordinal)].Trim(),
                            [.. Inner(node, "ParmVarDecl").Select(ReadVariable)]
                        )
                    );
                    break;
                default:
                    break;
            }
        }
        return new HeaderModel(ReadMacros(macros), enums, [.. structs.Values], functions);
    }

    private EnumMember ReadEnumMember(JsonElement node) =>
        new(
            NameOf(node),
            long.Parse(
                Inner(node, "ConstantExpr").Single().GetProperty("value").GetString()!,
                CultureInfo.InvariantCulture
            ),
            MemberCommentOf(node)
        );

    private Variable ReadVariable(JsonElement node) =>
        new(NameOf(node), node.GetProperty("type").GetProperty("qualType").GetString()!, MemberCommentOf(node));

    private List<MacroConstant> ReadMacros(string macros)
    {
        var constants = new List<MacroConstant>();
        foreach (string line in macros.Split('\n'))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (
                words is ["#define", var name, var value]
                && name.StartsWith(_prefix, StringComparison.OrdinalIgnoreCase)
                && int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
            )
                constants.Add(new MacroConstant(name, number));
        }
        return [.. constants.OrderBy(c => c.Name, StringComparer.Ordinal)];
    }

    private string MemberCommentOf(JsonElement node) =>
        CommentBegin(node) is { } begin && _taken.Add(begin) ? CommentAt(begin) : "";

    private string CommentOf(JsonElement node) => CommentBegin(node) is { } begin ? CommentAt(begin) : "";

    private static int? CommentBegin(JsonElement node)
    {
        foreach (var comment in Inner(node, "FullComment"))
            return comment.GetProperty("range").GetProperty("begin").GetProperty("offset").GetInt32();
        return null;
    }

    // The comment is cut from the source: clang's parsed form loses text that looks like HTML or a Doxygen command.
    // Clang joins a note for clang-format with the comment below it; only that comment is for readers.
    private string CommentAt(int begin)
    {
        var rest = _source.AsSpan(begin);
        while (true)
        {
            string comment = Encoding.UTF8.GetString(rest[..Math.Max(0, rest.IndexOf("*/"u8))]);
            if (!comment.TrimStart().StartsWith("clang-format", StringComparison.Ordinal))
                return comment;
            rest = rest[(rest.IndexOf("/*"u8) + 2)..];
        }
    }

    private static IEnumerable<JsonElement> Inner(JsonElement node, string? kind = null) =>
        node.TryGetProperty("inner", out var inner)
            ? inner.EnumerateArray().Where(n => kind is null || KindOf(n) == kind)
            : [];

    private static string KindOf(JsonElement node) =>
        node.TryGetProperty("kind", out var kind) ? kind.GetString()! : "";

    private static string NameOf(JsonElement node) =>
        node.TryGetProperty("name", out var name) ? name.GetString()! : "";

    /// <summary>Whether clang is installed.</summary>
    public static bool IsAvailable => TryFindClang() is not null;

    private static string FindClang() =>
        TryFindClang()
        ?? throw new BindingsException(
            "No clang is on the PATH. Bindings are generated from its syntax tree: install it (Debian: apt install "
                + "clang)."
        );

    private static string? TryFindClang()
    {
        string[] names =
        [
            "clang",
            .. Enumerable.Range(14, 8).Reverse().Select(v => string.Create(CultureInfo.InvariantCulture, $"clang-{v}")),
        ];
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(
            Path.PathSeparator,
            StringSplitOptions.RemoveEmptyEntries
        );
        string extension = OperatingSystem.IsWindows() ? ".exe" : "";
        return names.SelectMany(n => folders.Select(f => Path.Combine(f, n + extension))).FirstOrDefault(File.Exists);
    }

    private static string Run(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var process = Process.Start(start) ?? throw new BindingsException($"{program} did not start.");
            var errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0
                ? output
                : throw new BindingsException($"{program} refused the header:\n{errors.Result}");
        }
        catch (Win32Exception failure)
        {
            throw new BindingsException($"{program} cannot be run: {failure.Message}");
        }
    }
}
