using System.Globalization;
using System.Text.Json;

namespace NativeAmp.Cli.Study;

/// <summary>A product of a step's forward pass, as nativeamp train --profile lists it.</summary>
internal sealed record Product(
    string Operator,
    string DType,
    long M,
    long N,
    long K,
    long Batch,
    long Channels,
    double Calls
)
{
    // NVIDIA, "Deep Learning Performance Guide: Matrix Multiplication", 2.2: sizes in multiples of 16 bytes, which is 8
    // elements of FP16 or BF16.
    private const int Multiple = 8;

    /// <summary>Operations of a step's forward pass.</summary>
    public double Flop => 2.0 * M * N * K * Batch * Calls;

    /// <summary>
    /// Whether every size that tensor cores tile is a multiple of 8. A convolution's kernel size and positions may be
    /// anything.
    /// </summary>
    public bool IsAligned => Sizes.All(size => size.Value % Multiple == 0);

    /// <summary>The product in words: "linear 4096 × 127 × 130".</summary>
    public override string ToString() =>
        Operator == "conv2d"
            ? string.Create(CultureInfo.InvariantCulture, $"conv2d of {Channels} to {N} channels")
            : string.Create(CultureInfo.InvariantCulture, $"{Operator} {M} × {N} × {K}");

    /// <summary>The products of a run's profile.</summary>
    public static IReadOnlyList<Product> Of(RunFigures run) =>
        [
            .. Json.Elements(run.Result.Summary, "products")
                .Select(row => new Product(
                    Json.Text(row, "operator"),
                    Json.Text(row, "dtype"),
                    Whole(row, "m"),
                    Whole(row, "n"),
                    Whole(row, "k"),
                    Whole(row, "batch"),
                    Whole(row, "channels"),
                    Json.Number(row, "calls_per_step")
                )),
        ];

    private IEnumerable<(string Name, long Value)> Sizes =>
        Operator == "conv2d" ? [("channels", Channels), ("outputs", N)] : [("m", M), ("n", N), ("k", K)];

    private static long Whole(JsonElement row, string name) =>
        Json.Number(row, name) is var number && double.IsFinite(number) ? (long)number : 0;
}
