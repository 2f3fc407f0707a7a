using System.Text;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Writes in UTF-8 on Windows, where the console's code page has no ✓ and µ: to files and pipes, and to the console,
/// which gets its own code page back at the end. Other systems say themselves which encoding they take.
/// </summary>
internal sealed class Utf8Console : IDisposable
{
    private readonly Encoding? _before;

    private Utf8Console(Encoding? before) => _before = before;

    /// <summary>Begins; create no writer before.</summary>
    public static Utf8Console Begin()
    {
        if (!OperatingSystem.IsWindows())
            return new Utf8Console(before: null);
        Encoding before = Console.OutputEncoding;
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        return new Utf8Console(before);
    }

    /// <summary>Restores the console.</summary>
    public void Dispose()
    {
        if (_before is not null)
            Console.OutputEncoding = _before;
    }
}
