using System.Text;
using NativeAmp.Reports;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Cli.Output;

/// <summary>Pages as files.</summary>
internal static class PageFile
{
    /// <summary>Writes a page; an old one is replaced when the new one is whole.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Save(this HtmlPage page, string path) =>
        AtomicFile.Write(path, file => file.Write(Encoding.UTF8.GetBytes(page.ToString())));
}
