using System.Runtime.CompilerServices;
using NativeAmp.Training;
using NativeAmp.Training.Data;

namespace NativeAmp.Extensions.Tests;

/// <summary>A model and data that train in milliseconds.</summary>
internal static class TinyTraining
{
    public static DataField[] Fields { get; } =
    [
        new()
        {
            Name = "x",
            DType = DType.Float32,
            Shape = [1],
        },
        new()
        {
            Name = "y",
            DType = DType.Float32,
            Shape = [1],
        },
    ];

    /// <summary>A trainer of y = 2 x, whose batches are of four samples.</summary>
    public static Trainer Create(Device device, TrainerOptions options, int samples = 16, float factor = 2)
    {
        var data = new ArrayDataset(samples);
        float[] x = [.. Enumerable.Range(0, samples).Select(i => (float)i / samples)];
        data.Add("x", x, [1]);
        data.Add("y", [.. x.Select(value => factor * value)], [1]);
        return new Trainer(Model(), data, data, device, Complete(options));
    }

    /// <summary>A trainer whose samples stop coming after some, and do not end.</summary>
    public static Trainer CreateWaiting(Device device, TrainerOptions options, int samples, Action? waits = null) =>
        new(
            Model(),
            SampleStream.Create(
                Fields,
                _ => Samples(samples, waits),
                (value, sample) => (sample.Floats(0)[0], sample.Floats(1)[0]) = (value, 2 * value)
            ),
            test: null,
            device,
            Complete(options)
        );

    private static Linear Model() => new(1, 1, random: new RandomGenerator(1));

    private static TrainerOptions Complete(TrainerOptions options) =>
        options with
        {
            Batch = 4,
            Optimizer = new SgdOptions { LearningRate = 0.1 },
            Loss = (model, fields) => Loss.MeanSquaredError(model.Call(fields[0]), fields[1]),
        };

    private static async IAsyncEnumerable<float> Samples(
        int count,
        Action? waits,
        [EnumeratorCancellation] CancellationToken cancellation = default
    )
    {
        for (int i = 0; i < count; i++)
            yield return i % 8 / 8f;
        waits?.Invoke();
        await Task.Delay(Timeout.Infinite, cancellation);
    }
}
