using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NativeAmp.TorchSharp.Tests.Training;

/// <summary>A transformer in GPT-2's layout, as TorchSharp's users write them.</summary>
internal sealed class TinyGpt : nn.Module<Tensor, Tensor>
{
    public const int Vocabulary = 17;
    public const int Length = 16;
    private const int Width = 32;
    private const int Heads = 4;

    private readonly Embedding _tokens = nn.Embedding(Vocabulary, Width);
    private readonly Embedding _places = nn.Embedding(Length, Width);
    private readonly LayerNorm _first = nn.LayerNorm(Width);
    private readonly LayerNorm _second = nn.LayerNorm(Width);
    private readonly LayerNorm _last = nn.LayerNorm(Width);
    private readonly Linear _queries = nn.Linear(Width, 3 * Width);
    private readonly Linear _projection = nn.Linear(Width, Width);
    private readonly Linear _up = nn.Linear(Width, 4 * Width);
    private readonly Linear _down = nn.Linear(4 * Width, Width);

    public TinyGpt()
        : base(nameof(TinyGpt)) => RegisterComponents();

    public override Tensor forward(Tensor tokens)
    {
        long batch = tokens.shape[0];
        Tensor x = _tokens.call(tokens) + _places.call(arange(Length));
        Tensor qkv = _queries.call(_first.call(x)).view(batch, Length, 3, Heads, Width / Heads).permute(2, 0, 3, 1, 4);
        Tensor seen = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_casual: true);
        x = x + _projection.call(seen.transpose(1, 2).reshape(batch, Length, Width));
        x = x + _down.call(F.gelu(_up.call(_second.call(x))));
        // The embedding is also the last layer: tied weights.
        return F.linear(_last.call(x), _tokens.weight!);
    }
}

/// <summary>Data and a loop for each kind of network.</summary>
internal sealed record Task(nn.Module<Tensor, Tensor> Model, Tensor Inputs, Tensor Targets)
{
    /// <summary>The next token is the sum of the last two.</summary>
    public static Task Gpt()
    {
        random.manual_seed(7);
        var model = new TinyGpt();
        long[,] rows = new long[32, TinyGpt.Length + 1];
        for (int row = 0; row < 32; row++)
        {
            (rows[row, 0], rows[row, 1]) = (row % TinyGpt.Vocabulary, row / 2 % TinyGpt.Vocabulary);
            for (int i = 2; i <= TinyGpt.Length; i++)
                rows[row, i] = (rows[row, i - 1] + rows[row, i - 2]) % TinyGpt.Vocabulary;
        }
        Tensor tokens = tensor(rows);
        return new Task(
            model,
            tokens.narrow(1, 0, TinyGpt.Length).contiguous(),
            tokens.narrow(1, 1, TinyGpt.Length).contiguous().view(-1)
        );
    }

    /// <summary>Which of four quarters of an image is bright.</summary>
    public static Task Cnn()
    {
        random.manual_seed(7);
        nn.Module<Tensor, Tensor> model = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding: 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding: 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 4)
        );
        Tensor labels = arange(64) % 4;
        Tensor images = randn(64, 1, 8, 8);
        for (int i = 0; i < 64; i++)
            images[i].narrow(1, i % 2 * 4, 4).narrow(2, i / 2 % 2 * 4, 4).add_(1.5);
        return new Task(model, images, labels);
    }

    /// <summary>The loss now.</summary>
    public Tensor Loss()
    {
        Tensor logits = Model.call(Inputs);
        return F.cross_entropy(logits.view(-1, logits.shape[^1]), Targets);
    }
}
