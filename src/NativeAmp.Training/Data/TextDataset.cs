namespace NativeAmp.Training.Data;

/// <summary>
/// A text as bytes, cut into windows. Each byte is a token, and the target of a token is the next byte. Every pass cuts
/// at another offset, so that a byte is seen at many positions.
/// </summary>
public sealed class TextDataset : IDataset
{
    private readonly byte[] _text;

    /// <summary>A data set of a text.</summary>
    /// <param name="text">The bytes; at least context + 1 of them.</param>
    /// <param name="context">Tokens of a window.</param>
    public TextDataset(byte[] text, int context)
        : this("text", text, context) { }

    private TextDataset(string name, byte[] text, int context)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(context);
        if (text.Length <= context)
            throw new DataFormatException(
                name,
                text.Length,
                $"{text.Length} bytes of text",
                $"more than one context of {context}"
            );
        _text = text;
        Context = context;
        Fields =
        [
            new DataField
            {
                Name = "tokens",
                DType = DType.Int32,
                Shape = [context],
            },
            new DataField
            {
                Name = "targets",
                DType = DType.Int32,
                Shape = [context],
            },
        ];
        // Windows of context tokens and the next byte. If there are several windows, the offset costs up to one.
        Count = Math.Max(1, (text.Length - 1 - (context - 1)) / context);
    }

    /// <inheritdoc/>
    public long Count { get; }

    /// <summary>Tokens of a window.</summary>
    public int Context { get; }

    /// <summary>The tokens of a window, int32 [context], and the token after each.</summary>
    public IReadOnlyList<DataField> Fields { get; }

    /// <summary>Reads a file or a pipe.</summary>
    /// <exception cref="DataFormatException">It is not longer than one context, does not fit in one array, or is a
    /// folder.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static TextDataset Load(string path, int context)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new TextDataset(path, InputFile.ReadAll(path, Array.MaxLength), context);
    }

    /// <summary>Reads the rest of a stream, such as standard input.</summary>
    /// <param name="stream">The stream; left open.</param>
    /// <param name="name">Its name in messages.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <exception cref="DataFormatException">It is not longer than one context, or does not fit in one
    /// array.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static TextDataset Load(Stream stream, string name, int context)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new TextDataset(name, InputFile.ReadToEnd(name, stream, Array.MaxLength), context);
    }

    /// <inheritdoc/>
    public void Fill(long index, long epoch, Sample sample)
    {
        Span<int> tokens = sample.Integers(0);
        Span<int> targets = sample.Integers(1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)index, (ulong)Count, nameof(index));
        // Only as many offsets as leave room for every window.
        long phases = Math.Min(Context, _text.Length - Count * Context);
        long phase = (long)(Shuffle.Mix((ulong)epoch + 1) % (ulong)phases);
        ReadOnlySpan<byte> window = _text.AsSpan((int)(phase + index * Context), Context + 1);
        for (int i = 0; i < Context; i++)
        {
            tokens[i] = window[i];
            targets[i] = window[i + 1];
        }
    }
}
