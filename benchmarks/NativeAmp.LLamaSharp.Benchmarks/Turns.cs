using System.Diagnostics;
using NativeAmp.Training;

namespace NativeAmp.LLamaSharp.Benchmarks;

/// <summary>Medians in milliseconds; Ratio is the median of the turns' ratios, theirs divided by ours.</summary>
internal readonly record struct Measured(
    double Ours,
    double Theirs,
    double Ratio,
    double OurPrompt,
    double TheirPrompt
);

/// <summary>Two generators that take turns, so that both meet the same machine.</summary>
internal static class Turns
{
    /// <summary>Measures a prompt and then some tokens of each in each of the turns, after one that does not count.
    /// Both hold as many tokens at a time.</summary>
    public static Measured Measure(Gpt model, LlamaTokens theirs, int[] prompt, int turns, int tokens)
    {
        (double Prompt, IEnumerator<int> Next) ours = Begin(
            model.Generate(prompt, new GenerationOptions { Temperature = 0 })
        );
        (double Prompt, IEnumerator<int> Next) other = Begin(theirs.Generate(prompt));
        // The first pass of each allocates.
        ours.Next.Dispose();
        ours = Begin(model.Generate(prompt, new GenerationOptions { Temperature = 0 }));
        other.Next.Dispose();
        other = Begin(theirs.Generate(prompt));
        double[] our = new double[turns];
        double[] their = new double[turns];
        for (int turn = -1; turn < turns; turn++)
        {
            double first = Time(ours.Next, tokens);
            double second = Time(other.Next, tokens);
            if (turn >= 0)
                (our[turn], their[turn]) = (first, second);
        }

        ours.Next.Dispose();
        other.Next.Dispose();
        return new Measured(
            Median(our),
            Median(their),
            Median([.. our.Zip(their, (mine, his) => his / mine)]),
            ours.Prompt,
            other.Prompt
        );
    }

    private static (double Milliseconds, IEnumerator<int> Next) Begin(IEnumerable<int> tokens)
    {
        IEnumerator<int> next = tokens.GetEnumerator();
        return (Time(next, 1), next);
    }

    private static double Time(IEnumerator<int> tokens, int count)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
            _ = tokens.MoveNext();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / count;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
