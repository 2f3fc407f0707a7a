namespace NativeAmp.Planning;

/// <summary>
/// Memory of the networks of nativeamp train, from the tensors that their operators keep (docs/autograd.md,
/// docs/decisions/0005). A pass is followed to the points at which the most memory is alive: a node that is done gives
/// back its saved tensors, its output and its gradient.
/// </summary>
public static class OwnNetworks
{
    private const double Scalar = 256; // the loss

    /// <summary>Models.Mlp: linear inputs→256, ReLU, linear 256→classes, with AdamW.</summary>
    /// <param name="precision">FP32, FP16 or BF16.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <param name="inputs">Number of values in a sample.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="PlanException">A number is below 1, or the precision is none of the three.</exception>
    public static NetworkMemory Mlp(TrainingPrecision precision, int batch, int inputs = 784, int classes = 10)
    {
        const double hidden = 256;
        double e = ElementBytes(precision, batch, inputs, classes);
        double input = e < 4 ? Piece(e * batch * inputs) : 0;
        double output = Piece(e * batch * hidden),
            logits = Piece(e * batch * classes);
        // Backward through the second layer: everything, the gradients of its output and of its input.
        return new NetworkParameters(precision)
            .Product(inputs * hidden, hidden)
            .Product(hidden * classes, classes)
            .With(input + 2 * output + 2 * logits + Scalar);
    }

    /// <summary>Models.Cnn over images of one channel, with AdamW.</summary>
    /// <param name="precision">FP32, FP16 or BF16.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <param name="height">Height of an image.</param>
    /// <param name="width">Width of an image.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="PlanException">A number is below 1 (4 for the image's sides), or the precision is none of the
    /// three.</exception>
    public static NetworkMemory Cnn(
        TrainingPrecision precision,
        int batch,
        int height = 28,
        int width = 28,
        int classes = 10
    )
    {
        double e = ElementBytes(precision, batch, height / 4, width / 4, classes);
        double full = (double)batch * height * width,
            half = (double)batch * (height / 2) * (width / 2),
            quarter = (double)batch * (height / 4) * (width / 4);
        double input = e < 4 ? Piece(e * full) : 0;
        double conv1 = Piece(e * 32 * full),
            pool1 = Piece(e * 32 * half),
            index1 = Piece(32 * half);
        double conv2 = Piece(e * 64 * half),
            pool2 = Piece(e * 64 * quarter),
            index2 = Piece(64 * quarter);
        double linear = Piece(e * batch * 128),
            logits = Piece(e * batch * classes);
        double below = input + conv1 + pool1 + index1 + conv2 + Scalar;
        double atLoss = below + pool2 + index2 + 2 * linear + 2 * logits;
        double atLinear = below + 2 * pool2 + index2 + 2 * linear;
        double atPool2 = below + index2 + pool2 + conv2;
        double atConv2 = below + conv2 + pool1;
        double features = 64.0 * (height / 4) * (width / 4);
        return new NetworkParameters(precision)
            .Product(32 * 9, 32)
            .Product(64 * 32 * 9, 64)
            .Product(features * 128, 128)
            .Product(128 * classes, classes)
            .With(Math.Max(Math.Max(atLoss, atLinear), Math.Max(atPool2, atConv2)));
    }

    /// <summary>Models.Gpt without dropout, with AdamW.</summary>
    /// <param name="precision">FP32, FP16 or BF16.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <param name="context">Positions of a sample.</param>
    /// <param name="width">Width of the model.</param>
    /// <param name="heads">Heads of each attention.</param>
    /// <param name="blocks">Transformer blocks.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <exception cref="PlanException">A number is below 1, the heads do not divide the width, or the precision is none
    /// of the three.</exception>
    public static NetworkMemory Gpt(
        TrainingPrecision precision,
        int batch,
        int context = 128,
        int width = 256,
        int heads = 8,
        int blocks = 4,
        int vocabulary = 256
    )
    {
        double e = ElementBytes(precision, batch, context, width, heads, blocks, vocabulary);
        if (width % heads != 0)
            throw new PlanException($"{heads} heads do not divide a width of {width}.");
        double rows = (double)batch * context,
            w = width;
        double stream = Piece(4 * rows * w),
            hidden = Piece(e * rows * w),
            four = Piece(4 * e * rows * w),
            statistic = Piece(4 * rows);
        // A norm keeps its normalized rows in half precision; or its float32 input, which the residual sum must then
        // not overwrite, and its mean.
        double norm = hidden + (e < 4 ? hidden + statistic : stream + 2 * statistic);
        double attention = Piece(3 * e * rows * w) + hidden + Piece(4.0 * heads * rows);
        double block = norm + attention + norm + 2 * four;
        // Their gradient takes their place. In half precision a row has a multiple of 8.
        double logits = Piece(e * rows * (e < 4 ? Math.Ceiling(vocabulary / 8.0) * 8 : vocabulary));
        double kept = blocks * block + Scalar;
        double atHead = kept + norm + logits + hidden;
        // The gradients of the sum, of the last block's branch (the sum's own in float32), and of its hidden layer.
        double atLastBlock = kept + stream + (e < 4 ? hidden : 0) + four;
        var parameters = new NetworkParameters(precision)
            .Table((double)vocabulary * w, isHead: true)
            .Table(context * w, isHead: false);
        for (int i = 0; i < blocks; i++)
            parameters
                .Norm(w)
                .Product(3 * w * w, 3 * w)
                .Product(w * w, w)
                .Norm(w)
                .Product(4 * w * w, 4 * w)
                .Product(4 * w * w, w);
        return parameters.Norm(w).With(Math.Max(atHead, atLastBlock));
    }

    private static double Piece(double bytes) => PoolSize.Of(bytes);

    private static double ElementBytes(TrainingPrecision precision, params ReadOnlySpan<int> sizes)
    {
        foreach (int size in sizes)
        {
            if (size < 1)
                throw new PlanException(
                    $"A network cannot have a size of {size}: batch, sides, width, heads, blocks and classes are 1 or "
                        + "more, an image 4 × 4 at the least."
                );
        }

        return precision switch
        {
            TrainingPrecision.Fp32 => 4,
            TrainingPrecision.Fp16 or TrainingPrecision.Bf16 => 2,
            _ => throw new PlanException(
                $"NativeAmp's networks compute in fp32, fp16 or bf16, not in {precision.ToString().ToLowerInvariant()}."
            ),
        };
    }
}
