namespace NativeAmp.Bindings;

/// <summary>The options of the command line.</summary>
internal sealed record Options(bool Check, string Root)
{
    /// <summary>
    /// Parses the arguments. The source tree is the one that contains the program or the current folder, unless it is
    /// named.
    /// </summary>
    public static Options Parse(string[] arguments)
    {
        bool check = false;
        string? root = null;
        for (int i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--check":
                    check = true;
                    break;
                case "--root" when i + 1 < arguments.Length:
                    root = arguments[++i];
                    break;
                default:
                    throw new BindingsException($"Unknown or incomplete argument '{arguments[i]}'.");
            }
        }
        return new Options(check, root ?? FindRoot());
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
            "Neither the current folder nor the program lies in NativeAmp's source tree: name it by --root."
        );
    }
}
