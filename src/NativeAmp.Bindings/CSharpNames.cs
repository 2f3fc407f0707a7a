namespace NativeAmp.Bindings;

/// <summary>Converts an interface's C names and types to C#.</summary>
internal sealed class CSharpNames(CInterface face)
{
    private static readonly Dictionary<string, string> Scalars = new()
    {
        ["void"] = "void",
        ["char"] = "byte",
        ["float"] = "float",
        ["double"] = "double",
        ["int8_t"] = "sbyte",
        ["uint8_t"] = "byte",
        ["int16_t"] = "short",
        ["uint16_t"] = "ushort",
        ["int32_t"] = "int",
        ["uint32_t"] = "uint",
        ["int64_t"] = "long",
        ["uint64_t"] = "ulong",
        ["namp_stream"] = "void*",
    };

    // These have another width on another system.
    private static readonly Dictionary<string, string> SystemScalars = new() { ["int"] = "int", ["size_t"] = "nuint" };

    private static readonly HashSet<string> Keywords =
    [
        "in",
        "out",
        "ref",
        "params",
        "object",
        "string",
        "base",
        "event",
        "lock",
        "fixed",
    ];

    /// <summary>Converts <c>exp_avg_sq</c> to <c>ExpAvgSq</c>; upper-case constants too.</summary>
    public static string Pascal(string name) =>
        string.Concat(
            name.Split('_', StringSplitOptions.RemoveEmptyEntries)
                .Select(w => char.ToUpperInvariant(w[0]) + w[1..].ToLowerInvariant())
        );

    /// <summary>A function's or constant's name without the library's prefix.</summary>
    public string Member(string name) => Pascal(name[face.Prefix.Length..]);

    /// <summary>Converts <c>struct_size</c> to <c>structSize</c>; a C# keyword is escaped.</summary>
    public static string Parameter(string name)
    {
        string pascal = Pascal(name);
        string camel = char.ToLowerInvariant(pascal[0]) + pascal[1..];
        return Keywords.Contains(camel) ? "@" + camel : camel;
    }

    /// <summary>The C# type, and the length if it is an array, or 0.</summary>
    public (string Type, int Length) Type(string c)
    {
        if (!face.IsProduct && c.Split("(*)(") is [var result, var parameters])
            return (Callback(result, parameters.TrimEnd(')')), 0);
        int bracket = c.IndexOf('[', StringComparison.Ordinal);
        int length = 0;
        if (bracket >= 0)
        {
            if (!int.TryParse(c[(bracket + 1)..].TrimEnd(']'), out length))
                throw new BindingsException(
                    $"The C type '{c}' has no C# counterpart here: only arrays of one dimension have."
                );
            c = c[..bracket];
        }
        string pointers = new('*', c.Count(ch => ch == '*'));
        string[] words = c.Replace("*", " ", StringComparison.Ordinal)
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] names = [.. words.Where(w => w is not ("const" or "struct" or "enum"))];
        if (names is not [var name] || c.Contains('(', StringComparison.Ordinal))
            throw new BindingsException($"The C type '{c}' has no C# counterpart here.");
        if (Scalars.TryGetValue(name, out string? scalar))
            return (scalar + pointers, length);
        if (!face.IsProduct && SystemScalars.TryGetValue(name, out string? system))
            return (system + pointers, length);
        if (name.StartsWith(face.Prefix, StringComparison.Ordinal))
            return (Pascal(name) + pointers, length);
        throw new BindingsException(
            $"The C type '{c}' has no C# counterpart here: the interface uses fixed-width types."
        );
    }

    private string Callback(string result, string parameters) =>
        $"delegate* unmanaged<{string.Join(", ", parameters.Split(',').Append(result).Select(c => Type(c.Trim()).Type))}>";

    /// <summary>
    /// Length of the common prefix of all names, in whole words. At least one word of each name is left.
    /// </summary>
    public static int CommonPrefix(IReadOnlyList<string> names)
    {
        string[][] words = [.. names.Select(n => n.Split('_'))];
        int common = 0;
        while (words.All(w => common < w.Length - 1 && w[common] == words[0][common]))
            common++;
        return words[0].Take(common).Sum(w => w.Length + 1);
    }
}
