using NativeAmp.Interop;

namespace NativeAmp.Training;

/// <content>Dropout.</content>
public static partial class Ops
{
    /// <summary>
    /// Inverted dropout: each element is zeroed with a probability p, and the others are divided by 1 - p. The mask is
    /// drawn from the generator, which advances by the number of elements. The mask is not stored; the backward pass
    /// draws it again.
    /// </summary>
    /// <param name="input">Any shape.</param>
    /// <param name="probability">Probability that an element is zeroed, in [0, 1).</param>
    /// <param name="random">The generator of the mask.</param>
    public static unsafe Tensor Dropout(Tensor input, float probability, RandomGenerator random)
    {
        Requires.FloatingPoint(input);
        ArgumentNullException.ThrowIfNull(random);
        if (!(probability >= 0 && probability < 1))
            throw new ArgumentOutOfRangeException(
                nameof(probability),
                probability,
                "A dropout probability is in [0, 1)."
            );
        if (probability == 0)
            return input;
        Tensor given = input;
        input = Precision.Prepare("dropout", input);
        Tensor output = Tensor.Result(input.Device, input.DType, input.Shape);
        ulong seed = random.Seed;
        (ulong offset, nint offsetBase) = random.Reserve(input.Device, input.Count);
        NativeOps.Dropout(
            input.Device,
            (nint)output.Pointer,
            (nint)input.Pointer,
            input.DType,
            input.Count,
            probability,
            seed,
            offset,
            offsetBase
        );
        if (Records(input))
            Record(new DropoutNode(output, input, probability, seed, offset, offsetBase));
        input.ReleaseIfCastOf(given);
        return output;
    }

    private sealed unsafe class DropoutNode(
        Tensor output,
        Tensor input,
        float probability,
        ulong seed,
        ulong offset,
        nint offsetBase
    ) : Node("dropout", output, input)
    {
        public override void Backward()
        {
            Storage gradient = OutputGradient.IsUnshared
                ? OutputGradient.Share()
                : Storage.Allocate(Device, Output.DType, Output.Count, MemoryKind.Gradients);
            NativeOps.Dropout(
                Device,
                (nint)gradient.Pointer,
                (nint)OutputGradient.Pointer,
                Output.DType,
                Output.Count,
                probability,
                seed,
                offset,
                offsetBase
            );
            input.GradientBuffer.Accept(gradient, Output.DType);
        }
    }
}
