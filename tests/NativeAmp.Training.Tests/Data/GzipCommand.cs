using System.Diagnostics;

namespace NativeAmp.Training.Tests.Data;

/// <summary>gzip(1), which shares no code with the reader under test.</summary>
internal static class GzipCommand
{
    /// <summary>
    /// The output of gzip(1), or null if it refuses; exit code 2 is its warning about data after the end.
    /// </summary>
    public static byte[]? Gunzip(byte[] file)
    {
        using Process gzip = Process.Start(
            new ProcessStartInfo("gzip", ["-dc"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        gzip.StandardInput.BaseStream.Write(file);
        gzip.StandardInput.Close();
        using var content = new MemoryStream();
        gzip.StandardOutput.BaseStream.CopyTo(content);
        gzip.WaitForExit();
        return gzip.ExitCode is 0 or 2 ? content.ToArray() : null;
    }
}
