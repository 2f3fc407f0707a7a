using System.Text;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>Samples text from a language model byte by byte.</summary>
internal static class TextSampler
{
    /// <summary>
    /// Samples from a byte-level model. A text that is longer than the context goes on from its last half context.
    /// </summary>
    /// <param name="model">The model, of 256 tokens. It keeps its mode.</param>
    /// <param name="precision">The precision that it computes in.</param>
    /// <param name="length">Bytes to write.</param>
    /// <param name="temperature">1 samples from the model's probabilities; a lower value prefers likely bytes; 0 takes
    /// the likeliest.</param>
    /// <param name="random">The random generator.</param>
    public static string Sample(
        Gpt model,
        PrecisionPolicy precision,
        int length,
        double temperature,
        RandomGenerator random
    )
    {
        var options = new GenerationOptions
        {
            Temperature = temperature,
            Random = random,
            Precision = precision,
        };
        List<int> text = [(byte)'\n']; // a line begins after this byte
        using EvaluationMode mode = EvaluationMode.Enter(model);
        while (text.Count <= length)
        {
            int context = model.Options.Context;
            int[] prompt = [.. text.Count < context ? text : text[^Math.Max(1, context / 2)..]];
            int some = Math.Min(length + 1 - text.Count, context - prompt.Length + 1);
            text.AddRange(model.Generate(prompt, options with { Tokens = some }));
        }

        return Encoding.UTF8.GetString([.. text.Skip(1).Select(token => (byte)token)]);
    }
}
