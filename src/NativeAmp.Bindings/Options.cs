namespace NativeAmp.Bindings;

/// <summary>The options of the command line.</summary>
internal sealed record Options(bool Check, string Header, string Output)
{
    /// <summary>
    /// Parses the arguments. The default paths are those of the source tree that contains the program or the current
    /// folder.
    /// </summary>
    public static Options Parse(string[] arguments)
    {
        bool check = false;
        string? header = null,
            output = null;
        for (int i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--check":
                    check = true;
                    break;
                case "--header" when i + 1 < arguments.Length:
                    header = arguments[++i];
                    break;
                case "--output" when i + 1 < arguments.Length:
                    output = arguments[++i];
                    break;
                default:
                    throw new BindingsException($"Unknown or incomplete argument '{arguments[i]}'.");
            }
        }
        return new Options(
            check,
            header ?? Path.Combine(FindRoot(), "native", "include", "nativeamp.h"),
            output ?? Path.Combine(FindRoot(), "src", "NativeAmp", "Interop", "NativeMethods.g.cs")
        );
    }

    private static string FindRoot()
    {
        foreach (string start in new[] { Environment.CurrentDirectory, AppContext.BaseDirectory })
        {
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            {
                if (File.Exists(Path.Combine(folder.FullName, "NativeAmp.sln")))
                    return folder.FullName;
            }
        }
        throw new BindingsException(
            "Neither the current folder nor the program lies in NativeAmp's source tree: name --header and --output."
        );
    }
}
