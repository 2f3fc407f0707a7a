namespace NativeAmp.Training;

/// <summary>Ready-made models.</summary>
public static class Models
{
    /// <summary>
    /// A classifier of [batch, 1, height, width] images: convolution 3×3 (1→32), ReLU, max-pool 2, convolution 3×3
    /// (32→64), ReLU, max-pool 2, linear 64·(height / 4)·(width / 4)→128, ReLU, linear 128→classes.
    /// </summary>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    /// <param name="height">Height of the images, 4 or more.</param>
    /// <param name="width">Width of the images, 4 or more.</param>
    /// <param name="classes">Number of classes.</param>
    public static Sequential Cnn(RandomGenerator? random = null, int height = 28, int width = 28, int classes = 10)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 4);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 4);
        return new(
            new Conv2d(1, 32, kernel: 3, padding: 1, random: random),
            new Relu(),
            new MaxPool2d(2),
            new Conv2d(32, 64, kernel: 3, padding: 1, random: random),
            new Relu(),
            new MaxPool2d(2),
            new Flatten(),
            new Linear(checked(64 * (height / 4) * (width / 4)), 128, random: random),
            new Relu(),
            new Linear(128, classes, random: random)
        );
    }

    /// <summary>A classifier of [batch, ...]: linear inputs→256, ReLU, linear 256→classes.</summary>
    /// <param name="random">The generator of the values; null for <see cref="RandomGenerator.Default"/>.</param>
    /// <param name="inputs">Number of values in a sample.</param>
    /// <param name="classes">Number of classes.</param>
    public static Sequential Mlp(RandomGenerator? random = null, int inputs = 784, int classes = 10) =>
        new(
            new Flatten(),
            new Linear(inputs, 256, random: random),
            new Relu(),
            new Linear(256, classes, random: random)
        );

    /// <summary>A language model; by default over bytes.</summary>
    public static Gpt Gpt(GptOptions? options = null, RandomGenerator? random = null) => new(options, random);
}
