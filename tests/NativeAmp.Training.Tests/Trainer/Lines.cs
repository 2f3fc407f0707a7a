using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Trainers;

/// <summary>Regression on small lines: data, and trainers of one linear layer.</summary>
internal static class Lines
{
    public static IReadOnlyList<DataField> Fields { get; } =
    [
        new()
        {
            Name = "x",
            DType = DType.Float32,
            Shape = [2],
        },
        new()
        {
            Name = "y",
            DType = DType.Float32,
            Shape = [1],
        },
    ];

    /// <summary>The x of a sample; y is 3 a - 2 b + 1.</summary>
    public static float[] Input(int index) => [index % 7 / 7f, index % 5 / 5f - 0.5f];

    public static float Output(ReadOnlySpan<float> x) => 3 * x[0] - 2 * x[1] + 1;

    public static ArrayDataset Data(int count)
    {
        var data = new ArrayDataset(count);
        data.Add("x", [.. Enumerable.Range(0, count).SelectMany(Input)], [2]);
        data.Add("y", [.. Enumerable.Range(0, count).Select(i => Output(Input(i)))], [1]);
        return data;
    }

    public static Linear Model() => new(2, 1, random: new RandomGenerator(4));

    public static Tensor SquaredError(Module model, IReadOnlyList<Tensor> fields) =>
        Loss.MeanSquaredError(model.Call(fields[0]), fields[1]);

    /// <summary>A trainer of <see cref="Model"/> with the squared error, tested on the same data.</summary>
    public static Trainer Trainer(
        Device device,
        IDataset data,
        TrainerOptions options,
        Module? model = null,
        bool withTest = true
    ) => new(model ?? Model(), data, withTest ? data : null, device, options with { Loss = SquaredError });
}
