using System.CommandLine;

namespace NativeAmp.Cli.Output;

/// <summary>The values of --device.</summary>
internal enum DeviceChoice
{
    Auto,
    Cpu,
    Cuda,
}

/// <summary>Options that several commands share.</summary>
internal static class CommonOptions
{
    /// <summary>JSON on the standard output instead of text.</summary>
    public static Option<bool> Json(string description = "Write one JSON object instead of text.") =>
        new("--json") { Description = description };

    /// <summary>Threads of the CPU.</summary>
    public static Option<int> Threads() =>
        NumberOption.Whole(
            "--threads",
            0,
            0,
            1024,
            "CPU threads; 0 for as many as processors, CPU quota and OMP_NUM_THREADS allow.",
            ", 0 for as many as the machine gives"
        );

    /// <summary>The device to use.</summary>
    /// <param name="fallback">Where the option is not given.</param>
    public static Option<string> Device(string fallback = "auto") =>
        OneOf("--device", fallback, "Device to compute on: auto takes a GPU if there is one.", "auto", "cpu", "cuda");

    /// <summary>Opens the device that <see cref="Device"/> names.</summary>
    /// <exception cref="NativeAmpUnavailableException">It is not there; the message says why.</exception>
    public static Device Open(string choice, Terminal terminal, int threads = 0) =>
        Open(Enum.Parse<DeviceChoice>(choice, ignoreCase: true), terminal, threads);

    /// <summary>An option with a few values.</summary>
    public static Option<string> OneOf(string name, string fallback, string description, params string[] values)
    {
        var option = new Option<string>(name)
        {
            Description = description,
            DefaultValueFactory = _ => fallback,
            HelpName = string.Join('|', values),
        };
        option.Validators.Add(result =>
        {
            string value = result.Tokens.Count == 1 ? result.Tokens[0].Value : fallback;
            if (!values.Contains(value))
                result.AddError($"{name} is '{value}'; it is one of {string.Join(", ", values)}.");
        });
        return option;
    }

    /// <summary>An option that names a file or a folder.</summary>
    public static Option<string?> Path(string name, string helpName, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = helpName };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && string.IsNullOrWhiteSpace(result.Tokens[0].Value))
                result.AddError($"{name} is empty; it is {helpName}.");
        });
        return option;
    }

    /// <summary>A page beside the text.</summary>
    public static Option<string?> Html() => Path("--html", "FILE.html", "Write a page with pictures too.");

    /// <summary>Pictures beside the text.</summary>
    public static Option<string?> Charts() => Path("--charts", "DIR", "Write the pictures too, each as SVG and PNG.");

    /// <summary>Opens the device. Writes a note if auto found no GPU.</summary>
    /// <exception cref="NativeAmpUnavailableException">It is not there; the message says why.</exception>
    public static Device Open(DeviceChoice choice, Terminal terminal, int threads = 0)
    {
        if (choice == DeviceChoice.Auto)
        {
            Device best = NativeAmp.Device.Best(out string reason);
            if (best.Kind == DeviceKind.Cuda)
                return best;
            best.Dispose();
            choice = DeviceChoice.Cpu;
            bool any = NativeAmp.Device.Available(DeviceKind.Cuda).Count > 0;
            terminal.Error.WriteLine(
                any
                    ? $"nativeamp: no GPU that works here, computing on the CPU. {reason}"
                    : "nativeamp: no GPU here, computing on the CPU ('nativeamp doctor' says why)"
            );
        }

        return choice == DeviceChoice.Cuda ? NativeAmp.Device.Cuda() : NativeAmp.Device.Cpu(threads);
    }
}
