using NativeAmp.Interop;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Writes to the standard output or error as it is. .NET's own stream drops what a closed pipe does not take, and says
/// nothing: a run would go on for hours that nobody hears.
/// </summary>
/// <param name="descriptor">1 or 2.</param>
/// <param name="failure">What a failure says, or null to keep quiet: where there is nobody left to tell.</param>
internal sealed class DescriptorStream(int descriptor, string? failure) : ForwardOnlyStream(reads: false)
{
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (PosixProcess.Write(descriptor, buffer) is { } error && failure is not null)
            throw new IOException($"{failure}: {error}.");
    }
}
