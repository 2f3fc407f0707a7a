using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <summary>
/// Keys and values of the tokens that a <see cref="Gpt"/> has seen, so that the next token costs one row of each layer
/// and not the whole sequence. Its memory is allocated once. Positions are learned, so it does not slide: more tokens
/// than fit are refused. One call at a time uses it.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    private readonly int _width;
    private readonly Tensor _memory; // [blocks, key or value, batch, context, width]

    /// <summary>An empty cache on the model's device, of the dtype that attention computes in under the policy in
    /// force.</summary>
    /// <param name="model">The model, or one of the same sizes.</param>
    /// <param name="batch">Number of sequences.</param>
    /// <param name="context">Most tokens of each; null for the model's context.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch or context is not positive, or the context is more than
    /// the model's.</exception>
    /// <exception cref="DeviceOutOfMemoryException">The device has no such memory.</exception>
    public KeyValueCache(Gpt model, int batch = 1, int? context = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        Context = context ?? model.Options.Context;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Context, nameof(context));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Context, model.Options.Context, nameof(context));
        Batch = batch;
        _width = model.Options.Width;
        DType = Autocast.TypeOf("attention", Autocast.TypeOf("linear", DType.Float32));
        _memory = Tensor.Empty(model.Positions.Device, DType, [model.Blocks.Count, 2, batch, Context, _width]);
        Layers = [.. Enumerable.Range(0, model.Blocks.Count).Select(index => new Layer(this, index))];
    }

    /// <summary>Number of sequences.</summary>
    public int Batch { get; }

    /// <summary>Most tokens of each sequence.</summary>
    public int Context { get; }

    /// <summary>Tokens of each sequence that are there.</summary>
    public int Length { get; private set; }

    /// <summary>The dtype of keys and values.</summary>
    public DType DType { get; }

    /// <summary>Bytes of memory.</summary>
    public long Bytes => _memory.Bytes;

    internal IReadOnlyList<Layer> Layers { get; }

    /// <summary>Forgets the tokens after the first ones, so that others can follow these.</summary>
    /// <param name="length">Tokens that stay, 0 to <see cref="Length"/>.</param>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => _memory.Dispose();

    /// <summary>Checks that tokens of a model can follow.</summary>
    internal void Check(Gpt model, Tensor tokens)
    {
        ObjectDisposedException.ThrowIf(!_memory.IsAlive, this);
        if (GradMode.IsEnabled)
            throw new InvalidOperationException(
                "A key-value cache is for inference and has no gradient: compute under NoGrad.Enter()."
            );
        if (_width != model.Options.Width || Layers.Count != model.Blocks.Count || Context > model.Options.Context)
            throw new ArgumentException(
                $"The cache is of {Layers.Count} blocks, width {_width} and context {Context}, and the model has "
                    + $"{model.Blocks.Count}, {model.Options.Width} and {model.Options.Context}: make a cache of it."
            );
        if (model.Positions.Device != _memory.Device)
            throw new ArgumentException("The cache is on another device than the model: make one of the model.");
        Requires.That(
            tokens.Shape.Rank == 2 && tokens.Shape[0] == Batch,
            tokens,
            null,
            $"tokens are [batch, time], and the cache is of {Batch} sequences",
            nameof(Gpt)
        );
        if (tokens.Shape[1] > Context - Length)
            throw new ContextLengthException(Context, Length, tokens.Shape[1], "Truncate the cache, or begin anew.");
    }

    /// <summary>Counts tokens whose keys and values are in every layer.</summary>
    internal void Grow(long tokens) => Length += (int)tokens;

    /// <summary>Keys and values of one attention.</summary>
    internal sealed unsafe class Layer(KeyValueCache cache, int index)
    {
        /// <summary>
        /// Adds the keys and values of a packed projection behind those that are there, and lets the call attend to
        /// all of them.
        /// </summary>
        public void Extend(ref NampAttentionArgs args)
        {
            if ((DType)args.Dtype != cache.DType)
                throw new InvalidOperationException(
                    $"Attention computes in {((DType)args.Dtype).Name()}, and the cache is of {cache.DType.Name()}: "
                        + "make it under the precision policy that the model computes under."
                );
            Device device = cache._memory.Device;
            int size = cache.DType.SizeInBytes();
            long row = (long)cache._width * size;
            long part = (long)cache.Batch * cache.Context * row;
            byte* keys = (byte*)cache._memory.Pointer + 2 * index * part;
            byte* values = keys + part;
            Copy(device, args, keys, values, row);
            args.Key = keys;
            args.Value = values;
            args.KeyTime = cache.Length + args.QueryTime;
            args.KeyTimeStride = cache._width;
            args.KeyBatchStride = (long)cache.Context * cache._width;
        }

        // The rows [batch, time, 3, width] of the projection lie apart, but for one time. Permuted to
        // [3, batch, time, width], those of a sequence lie together.
        private void Copy(Device device, in NampAttentionArgs args, byte* keys, byte* values, long row)
        {
            (long batch, long time) = (args.Batch, args.QueryTime);
            bool together = time == 1;
            Storage? permuted = together
                ? null
                : Storage.Allocate(device, cache.DType, 3 * batch * time * cache._width, MemoryKind.Workspace);
            byte* from = (byte*)args.Query;
            if (permuted is not null)
            {
                from = (byte*)permuted.Pointer;
                NativeOps.Permute(
                    device,
                    (nint)from,
                    (nint)args.Query,
                    cache.DType,
                    [batch, time, 3, cache._width],
                    [2, 0, 1, 3]
                );
            }

            for (long b = 0; b < batch; b++)
            {
                long to = (b * cache.Context + cache.Length) * row;
                long key = (together ? (3 * b) + 1 : (batch + b) * time) * row;
                long value = (together ? (3 * b) + 2 : ((2 * batch) + b) * time) * row;
                device.CopyOnDevice((nint)(keys + to), (nint)(from + key), time * row);
                device.CopyOnDevice((nint)(values + to), (nint)(from + value), time * row);
            }

            permuted?.Drop();
        }
    }
}
