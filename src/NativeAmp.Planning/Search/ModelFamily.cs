namespace NativeAmp.Planning;

/// <summary>Models of any number of parameters, with the proportions of published ones.</summary>
public static class ModelFamily
{
    private const int HeadSize = 128,
        Stage = 8;

    /// <summary>
    /// A GPT of about a number of parameters. As in GPT-3 (arXiv 2005.14165, table 2.1), its width is about 128 × its
    /// layers, and its heads have 128.
    /// </summary>
    /// <param name="parameters">Approximate number of parameters, from 1e6 to 1e14.</param>
    /// <param name="context">Positions of a sequence.</param>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <exception cref="PlanException">The number is outside that range.</exception>
    public static TransformerModel Of(double parameters, int context = 2048, int vocabulary = 51200)
    {
        if (!(parameters >= 1e6 && parameters <= 1e14))
            throw new PlanException(
                FormattableString.Invariant(
                    $"A model of {parameters} parameters cannot be made up: it is a number from 1e6 to 1e14."
                )
            );
        // 12 l h² with h = 128 l. A large number of layers is a multiple of 8, so that it divides into stages; a small
        // one makes the number of parameters exact.
        double proportional = Math.Cbrt(parameters / (12 * HeadSize * HeadSize));
        int stages = (int)Math.Round(proportional / Stage) * Stage;
        bool many = proportional >= 4 * Stage;
        double ideal = many ? Math.Sqrt(parameters / (12 * stages)) : Math.Cbrt(parameters * HeadSize / 12);
        int width = Math.Max(HeadSize, (int)Math.Round(ideal / HeadSize) * HeadSize);
        TransformerModel one = new TransformerModel
        {
            Name = FormattableString.Invariant($"gpt-{parameters:0.##e+0}"),
            Layers = 1,
            Width = width,
            Heads = Heads(width),
            Vocabulary = vocabulary,
            Context = context,
            Source = "made up with GPT-3's proportions",
        }.Checked();
        if (many)
            return (one with { Layers = stages }).Checked();
        double layers = Math.Round((parameters - one.EmbeddingParameters) / one.LayerParameters);
        return (one with { Layers = Math.Max(1, (int)layers) }).Checked();
    }

    /// <summary>
    /// Number of heads, for heads of about 128. It is a multiple of 8 if the width allows it, so that the GPUs of a
    /// node can share them.
    /// </summary>
    private static int Heads(int width)
    {
        int wanted = width / HeadSize;
        return Enumerable
            .Range(1, width / Stage)
            .Select(k => k * Stage)
            .Where(heads => width % heads == 0)
            .MinBy(heads => (Math.Abs(heads - wanted), heads));
    }
}
