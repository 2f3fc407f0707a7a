using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Scaled dot-product attention.</content>
public static partial class Ops
{
    /// <summary>
    /// softmax(q · kᵀ / √headDim) · v of separate [batch, heads, time, headDim] tensors. The scores are not stored. A
    /// low-precision operator. Keys may have times before those of the queries, or be those of another sequence, and
    /// fewer heads (grouped queries).
    /// </summary>
    /// <param name="query">[batch, heads, time, headDim].</param>
    /// <param name="key">[batch, keyHeads, keyTime, headDim]. keyHeads divides heads: query head h reads key head
    /// h / (heads / keyHeads).</param>
    /// <param name="value">As the key.</param>
    /// <param name="causal">Whether a position attends only to itself and earlier ones. The last query is at the last
    /// key's time.</param>
    public static unsafe Tensor Attention(Tensor query, Tensor key, Tensor value, bool causal)
    {
        Requires.FloatingPoint(query);
        Requires.FloatingPoint(key);
        Requires.FloatingPoint(value);
        Requires.SameDevice(query, key);
        Requires.SameDevice(query, value);
        const string layout = "queries are [batch, heads, time, headDim], keys [batch, keyHeads, keyTime, headDim]";
        Requires.That(
            query.Shape.Rank == 4
                && key.Shape.Rank == 4
                && query.Shape[0] == key.Shape[0]
                && query.Shape[3] == key.Shape[3],
            query,
            key,
            layout
        );
        Requires.That(key.Shape == value.Shape, key, value, "both must be [batch, keyHeads, keyTime, headDim]");
        bool fits = query.Count == 0 || (key.Shape[1] > 0 && key.Shape[2] > 0 && query.Shape[1] % key.Shape[1] == 0);
        Requires.That(fits, query, key, "there is a key, and a number of its heads that divides that of the queries");
        Requires.That(
            !causal || query.Shape[2] <= key.Shape[2],
            query,
            key,
            "each query of causal attention has a key of its own time"
        );
        DType dtype = Precision.Of("attention", query, key, value);
        var q = new Operand(query, dtype);
        var k = new Operand(key, dtype);
        var v = new Operand(value, dtype);
        Tensor output = Tensor.Result(query.Device, dtype, query.Shape);
        NampAttentionArgs args = AttentionOver(
            dtype,
            query.Shape[0],
            query.Shape[1],
            query.Shape[2],
            query.Shape[3],
            causal
        );
        args.KeyHeads = key.Shape[1];
        args.KeyTime = key.Shape[2];
        args.QueryTimeStride = args.KeyTimeStride = args.OutputTimeStride = args.HeadDim;
        args.QueryHeadStride = args.OutputHeadStride = args.QueryTime * args.HeadDim;
        args.QueryBatchStride = args.OutputBatchStride = args.Heads * args.QueryHeadStride;
        args.KeyHeadStride = args.KeyTime * args.HeadDim;
        args.KeyBatchStride = args.KeyHeads * args.KeyHeadStride;
        args.Query = q.Pointer;
        args.Key = k.Pointer;
        args.Value = v.Pointer;
        return Attend(output, args, [q, k, v], packed: false);
    }

    /// <summary>
    /// Self-attention over a packed projection, without copying its parts. The input [batch, time, 3 · width] holds
    /// query, key and value of every head; the output is [batch, time, width]. A low-precision operator.
    /// </summary>
    /// <param name="projection">[batch, time, 3 · width]: query, key and value one after the other, each head by
    /// head.</param>
    /// <param name="heads">Number of heads; it divides the width.</param>
    /// <param name="causal">Whether a position attends only to itself and earlier ones.</param>
    public static Tensor PackedAttention(Tensor projection, int heads, bool causal) =>
        PackedAttention(projection, heads, causal, past: null);

    /// <summary>The same; with a layer of a cache it adds the keys and values, and attends to all that are
    /// there.</summary>
    internal static unsafe Tensor PackedAttention(Tensor projection, int heads, bool causal, KeyValueCache.Layer? past)
    {
        Requires.FloatingPoint(projection);
        Requires.That(
            projection.Shape.Rank == 3 && heads >= 1 && projection.Shape[2] % (3L * heads) == 0,
            projection,
            null,
            $"it must be [batch, time, 3 * width] with a width that {heads} heads divide"
        );
        DType dtype = Precision.Of("attention", projection);
        var packed = new Operand(projection, dtype);
        long time = projection.Shape[1];
        long width = projection.Shape[2] / 3;
        Tensor output = Tensor.Result(projection.Device, dtype, [projection.Shape[0], time, width]);
        NampAttentionArgs args = AttentionOver(dtype, projection.Shape[0], heads, time, width / heads, causal);
        args.QueryHeadStride = args.KeyHeadStride = args.OutputHeadStride = args.HeadDim;
        args.QueryTimeStride = args.KeyTimeStride = 3 * width;
        args.QueryBatchStride = args.KeyBatchStride = time * 3 * width;
        args.OutputTimeStride = width;
        args.OutputBatchStride = time * width;
        long bytes = width * dtype.SizeInBytes();
        args.Query = packed.Pointer;
        args.Key = (byte*)packed.Pointer + bytes;
        args.Value = (byte*)packed.Pointer + 2 * bytes;
        past?.Extend(ref args);
        return Attend(output, args, [packed], packed: true);
    }

    private static NampAttentionArgs AttentionOver(
        DType dtype,
        long batch,
        long heads,
        long time,
        long headDim,
        bool causal
    )
    {
        NampAttentionArgs args = NampAttentionArgs.Create();
        args.Dtype = (int)dtype;
        args.Causal = causal ? 1 : 0;
        args.Scale = (float)(1 / Math.Sqrt(headDim));
        args.Batch = batch;
        args.Heads = args.KeyHeads = heads;
        args.QueryTime = args.KeyTime = time;
        args.HeadDim = headDim;
        return args;
    }

    private static unsafe Tensor Attend(Tensor output, NampAttentionArgs args, Operand[] inputs, bool packed)
    {
        Storage logSumExp = Storage.Allocate(
            output.Device,
            DType.Float32,
            args.Batch * args.Heads * args.QueryTime,
            MemoryKind.Activations
        );
        args.Output = output.Pointer;
        args.LogSumExp = (float*)logSumExp.Pointer;
        NativeOps.AttentionForward(output.Device, args);
        ProductLog.Note(
            "attention",
            (DType)args.Dtype,
            args.QueryTime,
            args.KeyTime,
            args.HeadDim,
            args.Batch * args.Heads
        );
        if (GradMode.IsEnabled && Array.Exists(inputs, input => input.Source.RequiresGrad))
            Record(new AttentionNode(output, inputs, packed, Saved.TakeOver(logSumExp, DType.Float32), args));
        else
            logSumExp.Drop();
        foreach (Operand input in inputs)
            input.Release();
        return output;
    }

    private sealed unsafe class AttentionNode(
        Tensor output,
        Operand[] inputs,
        bool packed,
        Saved logSumExp,
        NampAttentionArgs forward
    ) : Node("attention", output, [.. inputs.Select(input => (Edge)input)])
    {
        protected override Saved[] SavedElements { get; } =
        [new Saved(output), logSumExp, .. inputs.Select(input => input.Save())];

        public override void Backward()
        {
            NampAttentionArgs args = forward;
            args.OutputGradient = OutputGradient.Pointer;
            if (packed)
            {
                var gradient = new GradientOverwrite(this, inputs[0].Source, Output.DType);
                long bytes = args.Heads * args.HeadDim * Output.DType.SizeInBytes();
                args.QueryGradient = gradient.Pointer;
                args.KeyGradient = (byte*)gradient.Pointer + bytes;
                args.ValueGradient = (byte*)gradient.Pointer + 2 * bytes;
                NativeOps.AttentionBackward(Device, args);
                gradient.Finish();
                return;
            }

            var query = new GradientOverwrite(this, inputs[0].Source, Output.DType, always: true);
            var key = new GradientOverwrite(this, inputs[1].Source, Output.DType, always: true);
            var value = new GradientOverwrite(this, inputs[2].Source, Output.DType, always: true);
            args.QueryGradient = query.Pointer;
            args.KeyGradient = key.Pointer;
            args.ValueGradient = value.Pointer;
            NativeOps.AttentionBackward(Device, args);
            query.Finish();
            key.Finish();
            value.Finish();
        }
    }
}
