using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Scaled dot-product attention.</content>
public static partial class Ops
{
    /// <summary>
    /// softmax(q · kᵀ / √headDim) · v of separate [batch, heads, time, headDim] tensors. The scores are not stored. A
    /// low-precision operator.
    /// </summary>
    /// <param name="query">[batch, heads, time, headDim].</param>
    /// <param name="key">As the query.</param>
    /// <param name="value">As the query.</param>
    /// <param name="causal">Whether a position attends only to itself and earlier ones.</param>
    public static unsafe Tensor Attention(Tensor query, Tensor key, Tensor value, bool causal)
    {
        Requires.FloatingPoint(query);
        Requires.FloatingPoint(key);
        Requires.FloatingPoint(value);
        Requires.SameDevice(query, key);
        Requires.SameDevice(query, value);
        Requires.That(
            query.Shape.Rank == 4 && query.Shape == key.Shape,
            query,
            key,
            "both must be [batch, heads, time, headDim]"
        );
        Requires.That(query.Shape == value.Shape, query, value, "both must be [batch, heads, time, headDim]");
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
        args.TimeStride = args.OutputTimeStride = args.HeadDim;
        args.HeadStride = args.OutputHeadStride = args.Time * args.HeadDim;
        args.BatchStride = args.OutputBatchStride = args.Heads * args.Time * args.HeadDim;
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
    public static unsafe Tensor PackedAttention(Tensor projection, int heads, bool causal)
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
        args.HeadStride = args.OutputHeadStride = args.HeadDim;
        args.TimeStride = 3 * width;
        args.BatchStride = time * 3 * width;
        args.OutputTimeStride = width;
        args.OutputBatchStride = time * width;
        long bytes = width * dtype.SizeInBytes();
        args.Query = packed.Pointer;
        args.Key = (byte*)packed.Pointer + bytes;
        args.Value = (byte*)packed.Pointer + 2 * bytes;
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
        args.Heads = heads;
        args.Time = time;
        args.HeadDim = headDim;
        return args;
    }

    private static unsafe Tensor Attend(Tensor output, NampAttentionArgs args, Operand[] inputs, bool packed)
    {
        Storage logSumExp = Storage.Allocate(
            output.Device,
            DType.Float32,
            args.Batch * args.Heads * args.Time,
            MemoryKind.Activations
        );
        args.Output = output.Pointer;
        args.LogSumExp = (float*)logSumExp.Pointer;
        NativeOps.AttentionForward(output.Device, args);
        ProductLog.Note("attention", (DType)args.Dtype, args.Time, args.Time, args.HeadDim, args.Batch * args.Heads);
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
