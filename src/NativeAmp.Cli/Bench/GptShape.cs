using NativeAmp.Cli.Train;
using NativeAmp.Training;

namespace NativeAmp.Cli.Bench;

/// <summary>The sizes of a GPT's training step, and the floating-point operations and bytes of its operators.</summary>
/// <param name="Size">Context, width, heads and blocks.</param>
/// <param name="Vocabulary">Number of tokens that there are.</param>
/// <param name="Batch">Sequences of a step.</param>
/// <param name="DType">What operators of low precision compute in.</param>
internal sealed record GptShape(GptSize Size, int Vocabulary, int Batch, DType DType)
{
    /// <summary>Tokens of a step.</summary>
    public long Tokens => (long)Batch * Size.Context;

    /// <summary>Bytes of an element that operators of low precision read and write.</summary>
    public long ElementBytes => DType.SizeInBytes();

    /// <summary>The model's options, with GPT-2's own activation.</summary>
    public GptOptions Options => Size.Options with { Vocabulary = Vocabulary, Activation = Activation.GeluTanh };

    /// <summary>
    /// A linear layer over all tokens: 2 operations for each weight and token, and the gradients' products twice that.
    /// The backward pass reads the output's gradient, input and weight again, and writes the gradients of both.
    /// </summary>
    public GptCost Linear(long inputs, long outputs)
    {
        double flops = 2.0 * Tokens * inputs * outputs;
        long x = Tokens * inputs * ElementBytes;
        long y = Tokens * outputs * ElementBytes;
        long w = inputs * outputs * ElementBytes;
        return new(flops, 3 * flops, x + w + y, 3 * (x + w) + 2 * y);
    }

    /// <summary>
    /// Causal attention: half of the scores, two products of them forward and five backward, which computes them anew
    /// (Dao et al. 2022, "FlashAttention"). Scores are not in memory.
    /// </summary>
    public GptCost Attention
    {
        get
        {
            double product = (double)Tokens * Size.Context * Size.Width;
            long moved = Tokens * 4 * Size.Width * ElementBytes;
            return new(2 * product, 7 * product, moved, 3 * moved);
        }
    }

    /// <summary>
    /// A norm of the float32 residual: its output and, in half precision, normalized rows are kept for the backward
    /// pass, which reads these and the output's gradient, once for the input's and once for the parameters'.
    /// </summary>
    public GptCost LayerNorm
    {
        get
        {
            long x = Tokens * Size.Width * sizeof(float);
            long y = Tokens * Size.Width * ElementBytes;
            return new(0, 0, x + 2 * y, 2 * x + 6 * y);
        }
    }

    /// <summary>Reads the logits, and reads and writes them once more for their gradient.</summary>
    public GptCost CrossEntropy
    {
        get
        {
            long logits = Tokens * Vocabulary * ElementBytes;
            return new(0, 0, logits, 3 * logits);
        }
    }

    /// <summary>The linear layer of the head, and the loss.</summary>
    public GptCost Head
    {
        get
        {
            (GptCost linear, GptCost loss) = (Linear(Size.Width, Vocabulary), CrossEntropy);
            return linear with
            {
                Bytes = linear.Bytes + loss.Bytes,
                TrainingBytes = linear.TrainingBytes + loss.TrainingBytes,
            };
        }
    }

    /// <summary>
    /// A step: the operators of all blocks, the norm and the head after them. Its bytes are not counted.
    /// </summary>
    public double StepFlops
    {
        get
        {
            long width = Size.Width;
            double block =
                Linear(width, 3 * width).TrainingFlops
                + Attention.TrainingFlops
                + Linear(width, width).TrainingFlops
                + 2 * Linear(width, 4 * width).TrainingFlops;
            return Size.Blocks * block + Linear(width, Vocabulary).TrainingFlops;
        }
    }
}

/// <summary>Operations of an operator, and bytes that it has to move at least.</summary>
/// <param name="Flops">Of the forward pass.</param>
/// <param name="TrainingFlops">Of the forward and the backward pass.</param>
/// <param name="Bytes">Of the forward pass.</param>
/// <param name="TrainingBytes">Of both.</param>
internal readonly record struct GptCost(double Flops, double TrainingFlops, long Bytes, long TrainingBytes);
