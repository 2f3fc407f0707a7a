namespace NativeAmp.Training;

/// <summary>Ready-made models.</summary>
public static class Models
{
    /// <summary>
    /// A classifier of [batch, 1, 28, 28] images into 10: convolution 3×3 (1→32), ReLU, max-pool 2, convolution 3×3 (32→64), ReLU,
    /// max-pool 2, linear 3136→128, ReLU, linear 128→10.
    /// </summary>
    public static Sequential Cnn(RandomGenerator? random = null) => new(
        new Conv2d(1, 32, kernel: 3, padding: 1, random: random), new ReLU(), new MaxPool2d(2),
        new Conv2d(32, 64, kernel: 3, padding: 1, random: random), new ReLU(), new MaxPool2d(2),
        new Flatten(), new Linear(3136, 128, random: random), new ReLU(), new Linear(128, 10, random: random));

    /// <summary>A classifier of [batch, ...] inputs of 784 numbers into 10: linear 784→256, ReLU, linear 256→10.</summary>
    public static Sequential Mlp(RandomGenerator? random = null) => new(
        new Flatten(), new Linear(784, 256, random: random), new ReLU(), new Linear(256, 10, random: random));

    /// <summary>A language model over bytes, or of other sizes.</summary>
    public static Gpt Gpt(GptOptions? options = null, RandomGenerator? random = null) => new(options, random);
}
