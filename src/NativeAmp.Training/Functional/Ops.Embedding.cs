using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Lookup in a table.</content>
public static partial class Ops
{
    /// <summary>
    /// Looks up rows of a table by index: int32 indices [...] and a weight [vocabulary, width] give [..., width].
    /// </summary>
    /// <exception cref="IndexRangeException">
    /// On the CPU: an index is outside the vocabulary. On a GPU this call does not wait: the row becomes NaN, and the
    /// <see cref="StepResult"/> and the trainer throw later.
    /// </exception>
    public static unsafe Tensor Embedding(Tensor indices, Tensor weight)
    {
        Requires.Int32(indices);
        Requires.FloatingPoint(weight);
        Requires.SameDevice(indices, weight);
        Requires.That(weight.Shape.Rank == 2, weight, null, "the table must be [vocabulary, width]");
        DType dtype = Precision.Of("embedding", weight);
        if (weight.Device.IsHostMemory)
            IndexFacts.CheckIndices((int*)indices.Pointer, indices.Count, weight.Shape[0]);
        Tensor output = Tensor.Result(weight.Device, dtype, [.. indices.Shape.Dimensions, weight.Shape[1]]);
        NampEmbeddingArgs args = NampEmbeddingArgs.Create();
        args.WeightDtype = (int)weight.DType;
        args.OutputDtype = (int)dtype;
        args.Count = indices.Count;
        args.Vocabulary = weight.Shape[0];
        args.Width = weight.Shape[1];
        args.Indices = (int*)indices.Pointer;
        args.Weight = weight.Pointer;
        args.Output = output.Pointer;
        if (!weight.Device.IsHostMemory)
            args.BadIndex = weight.Device.IndexFacts.Make(weight.Device);
        NativeOps.EmbeddingForward(weight.Device, args);
        GC.KeepAlive(indices);
        if (!Records(weight))
            return output;
        return Record(new EmbeddingNode(output, indices, weight, args));
    }

    private sealed unsafe class EmbeddingNode(Tensor output, Tensor indices, Tensor weight, NampEmbeddingArgs forward)
        : Node("embedding", output, weight)
    {
        private readonly Saved _indices = new(indices);

        protected override Saved[] SavedElements => [_indices];

        public override void Backward()
        {
            NampEmbeddingArgs args = forward;
            args.Indices = (int*)_indices.Pointer;
            args.Weight = null;
            args.Output = null;
            args.OutputGradient = OutputGradient.Pointer;
            GradientTarget target = weight.GradientBuffer.Open();
            if (target.DType == DType.Float32)
            {
                args.WeightGradient = (float*)target.Pointer;
                args.Accumulate = target.Accumulate ? 1 : 0;
                NativeOps.EmbeddingBackward(Device, args);
                return;
            }

            // The table is in half precision: the kernel sums in float32, and rounds the sum once.
            Storage sum = Storage.Allocate(Device, DType.Float32, weight.Count, MemoryKind.Workspace);
            args.WeightGradient = (float*)sum.Pointer;
            NativeOps.EmbeddingBackward(Device, args);
            Kernels.Accumulate(Device, target, sum.Pointer, DType.Float32, weight.Count);
            sum.Drop();
        }
    }
}
