using NativeAmp.Interop;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Writes to the standard output or error as it is. .NET's own stream drops what a closed pipe does not take, and says nothing: a run would go on
/// for hours that nobody hears.
/// </summary>
/// <param name="descriptor">1 or 2.</param>
/// <param name="failure">What a failure says, or null to keep quiet: where there is nobody left to tell.</param>
internal sealed class DescriptorStream(int descriptor, string? failure) : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (PosixProcess.Write(descriptor, buffer) is { } error && failure is not null)
            throw new IOException($"{failure}: {error}.");
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
