namespace NativeAmp.Training.Data;

/// <summary>
/// A stream that only reads or only writes, and has no position. A derived class overrides
/// <see cref="Stream.Read(Span{byte})"/> or <see cref="Stream.Write(ReadOnlySpan{byte})"/>; all other methods call
/// these.
/// </summary>
internal abstract class ForwardOnlyStream(bool reads) : Stream
{
    public sealed override bool CanRead => reads;

    public sealed override bool CanSeek => false;

    public sealed override bool CanWrite => !reads;

    public sealed override long Length => throw new NotSupportedException();

    public sealed override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public sealed override int Read(byte[] buffer, int offset, int count) =>
        reads ? Read(buffer.AsSpan(offset, count)) : throw new NotSupportedException();

    public sealed override void Write(byte[] buffer, int offset, int count)
    {
        if (reads)
            throw new NotSupportedException();
        Write(buffer.AsSpan(offset, count));
    }

    public override void Flush() { }

    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public sealed override void SetLength(long value) => throw new NotSupportedException();
}
