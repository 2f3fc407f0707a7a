using System.Reflection;
using NativeAmp.Training;
using NativeAmp.Training.Data;

namespace NativeAmp.Export.Tests;

/// <summary>
/// A small language model, trained for a few seconds on the licence texts of the repository, so that a perplexity says
/// something: about 10, where guessing has 256.
/// </summary>
internal static class TrainedGpt
{
    public const int Context = 32;

    private static readonly Lazy<float[][]> Values = new(Train);

    private static GptOptions Options =>
        new()
        {
            Context = Context,
            Width = 64,
            Heads = 4,
            Blocks = 2,
            Activation = Activation.GeluTanh,
        };

    public static byte[] Text { get; } =
        File.ReadAllBytes(
            Path.Combine(
                typeof(TrainedGpt)
                    .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
                    .Single(each => each.Key == "RepositoryRoot")
                    .Value!,
                "THIRD-PARTY-NOTICES.txt"
            )
        );

    /// <summary>A copy of its own for each test.</summary>
    public static Gpt Create()
    {
        Gpt model = new Gpt(Options).To(Processor.Cpu);
        foreach ((Parameter parameter, float[] values) in model.Parameters().Zip(Values.Value))
            parameter.CopyFrom<float>(values);
        model.Eval();
        return model;
    }

    /// <summary>Logits [time, 256] of one sequence.</summary>
    public static float[] Logits(Gpt model, ReadOnlySpan<byte> tokens)
    {
        using NoGrad scope = NoGrad.Enter();
        int[] wide = new int[tokens.Length];
        for (int i = 0; i < wide.Length; i++)
            wide[i] = tokens[i];
        using Tensor input = Tensor.From(Processor.Cpu, wide, [1, wide.Length]);
        return model.Forward(input).ToArray<float>();
    }

    /// <summary>exp of the mean of −log p of each next byte, over windows of the text.</summary>
    /// <param name="logits">Logits [time, 256] of a window.</param>
    public static double Perplexity(Func<byte[], float[]> logits)
    {
        double sum = 0;
        int count = 0;
        for (int start = 0; start + Context < Text.Length && count < 32 * (Context - 1); start += 197)
        {
            byte[] window = Text[start..(start + Context)];
            float[] predicted = logits(window);
            for (int i = 0; i + 1 < Context; i++, count++)
            {
                ReadOnlySpan<float> row = predicted.AsSpan(i * 256, 256);
                double total = 0;
                foreach (float logit in row)
                    total += Math.Exp((double)logit - row[window[i + 1]]);
                sum += Math.Log(total);
            }
        }

        return Math.Exp(sum / count);
    }

    private static float[][] Train()
    {
        var random = new RandomGenerator(1);
        using Gpt model = new Gpt(Options, random).To(Processor.Cpu);
        using var text = new MemoryStream(Text);
        using var trainer = new Trainer(
            model,
            TextDataset.Load(text, "the licences", Context),
            null,
            Processor.Cpu,
            new TrainerOptions
            {
                Steps = 300,
                Batch = 16,
                Random = random,
                Precision = PrecisionPolicy.Float32,
                Optimizer = new AdamOptions { LearningRate = 3e-3f },
            }
        );
        trainer.Run();
        return [.. model.Parameters().Select(parameter => parameter.ToArray<float>())];
    }
}
