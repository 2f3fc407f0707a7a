using System.Text;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Samples text from a language model byte by byte.</summary>
internal static class TextSampler
{
    /// <summary>Samples from a byte-level model.</summary>
    /// <param name="model">The model, from [1, context] tokens to [1, context, 256] logits. It is left in training
    /// mode.</param>
    /// <param name="device">The device of the model.</param>
    /// <param name="precision">The precision that it computes in.</param>
    /// <param name="context">Length of the context in tokens.</param>
    /// <param name="length">Bytes to write.</param>
    /// <param name="temperature">1 samples from the model's probabilities; a lower value prefers likely bytes; 0 takes
    /// the likeliest.</param>
    /// <param name="random">The random generator.</param>
    public static string Sample(
        Module model,
        Device device,
        PrecisionPolicy precision,
        int context,
        int length,
        double temperature,
        RandomGenerator random
    )
    {
        byte[] text = new byte[length + 1];
        text[0] = (byte)'\n'; // a line begins after this byte
        int[] window = new int[context];
        model.Eval();
        try
        {
            using Tensor tokens = Tensor.Empty(device, DType.Int32, [1, context]);
            for (int written = 1; written <= length; written++)
            {
                // The window always has its full length, so that every step does the same work in the same memory. With
                // causal attention the bytes after the last one do not matter.
                int seen = Math.Min(written, context);
                Array.Clear(window);
                for (int i = 0; i < seen; i++)
                    window[i] = text[written - seen + i];
                tokens.CopyFrom<int>(window);
                using NoGrad noGrad = NoGrad.Enter();
                using AutocastScope autocast = Autocast.Enter(precision);
                ReadOnlySpan<float> logits = model.Forward(tokens).ToFloats();
                text[written] = (byte)Draw(logits.Slice((seen - 1) * 256, 256), temperature, random);
            }
        }
        finally
        {
            model.Train();
        }

        return Encoding.UTF8.GetString(text, 1, length);
    }

    /// <summary>Draws an index by softmax(logits / temperature). At 0 it is the first of the largest.</summary>
    internal static int Draw(ReadOnlySpan<float> logits, double temperature, RandomGenerator random)
    {
        int largest = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[largest])
                largest = i;
        }

        if (temperature == 0 || !float.IsFinite(logits[largest]))
            return largest;
        Span<double> weights = stackalloc double[logits.Length];
        double sum = 0;
        for (int i = 0; i < logits.Length; i++)
            sum += weights[i] = float.IsNaN(logits[i])
                ? 0
                : Math.Exp(((double)logits[i] - logits[largest]) / temperature);
        double left = random.NextSingle() * sum;
        for (int i = 0; i < weights.Length; i++)
        {
            if ((left -= weights[i]) < 0)
                return i;
        }

        return largest;
    }
}
