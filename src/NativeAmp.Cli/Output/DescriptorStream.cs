using NativeAmp.Interop;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Writes to standard output or error, and reports failures. .NET's own stream silently drops the output when a pipe is
/// closed: a run would go on for hours unnoticed.
/// </summary>
/// <param name="descriptor">1 or 2.</param>
/// <param name="failure">The message of a failure, or null to ignore failures: nobody would see them.</param>
internal sealed class DescriptorStream(int descriptor, string? failure) : ForwardOnlyStream(reads: false)
{
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (PosixProcess.Write(descriptor, buffer) is { } error && failure is not null)
            throw new IOException($"{failure}: {error}.");
    }
}
