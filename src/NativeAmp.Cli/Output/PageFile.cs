using System.Text;
using NativeAmp.Reports;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Cli.Output;

/// <summary>Writes pages to files.</summary>
internal static class PageFile
{
    /// <summary>Writes a page. It replaces an old one when it is complete.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Save(this HtmlPage page, string path) =>
        AtomicFile.Write(path, file => file.Write(Encoding.UTF8.GetBytes(page.ToString())));
}
