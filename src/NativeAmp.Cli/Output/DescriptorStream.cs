using System.Runtime.InteropServices;

namespace NativeAmp.Cli.Output;

/// <summary>
/// Writes to the standard output or error as it is. .NET's own stream drops what a closed pipe does not take, and says nothing: a run would go on
/// for hours that nobody hears.
/// </summary>
/// <param name="descriptor">1 or 2.</param>
/// <param name="failure">What a failure says, or null to keep quiet: where there is nobody left to tell.</param>
internal sealed partial class DescriptorStream(int descriptor, string? failure) : Stream
{
    private const int Interrupted = 4; // EINTR
    private const int TryAgain = 11; // EAGAIN

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
        while (!buffer.IsEmpty)
        {
            nint written = Write(descriptor, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error == TryAgain)
                Thread.Sleep(1);
            else if (error != Interrupted)
            {
                if (failure is null)
                    return;
                throw new IOException($"{failure}: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, ref byte buffer, nuint count);
}
