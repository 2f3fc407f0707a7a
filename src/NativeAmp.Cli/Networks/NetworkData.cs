using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;
using NativeAmp.Training;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Networks;

/// <summary>Data for a trained network, and its accuracy or perplexity on it.</summary>
internal static class NetworkData
{
    /// <summary>The data that a network measures itself by: test images, or windows of a text for gpt.</summary>
    /// <param name="file">The network.</param>
    /// <param name="data">fashion-mnist or null, a folder, or a text file.</param>
    /// <param name="option">The option that says it, for an error.</param>
    public static IDataset Open(NetworkFile file, string? data, string option) =>
        Open(file, data, option, images => images.Test);

    /// <summary>The same of training images: a network is not calibrated by the images that measure it.</summary>
    public static IDataset OpenTraining(NetworkFile file, string? data, string option) =>
        Open(file, data, option, images => images.Train);

    private static IDataset Open(
        NetworkFile file,
        string? data,
        string option,
        Func<(ImageDataset Train, ImageDataset Test), ImageDataset> choose
    )
    {
        if (file.Model is Gpt gpt)
            return TextDataset.Load(
                data ?? throw new UsageException($"A gpt needs {option} FILE, any text."),
                gpt.Options.Context
            );
        string folder = FashionMnist.ResolveDirectory(data is "fashion-mnist" ? null : data);
        ImageDataset images = choose(MnistFiles.Load(folder, classes: null));
        Module last = file.Kind == ModelKind.Cnn ? ((Sequential)file.Model)[7] : ((Sequential)file.Model)[1];
        long inputs = ((Linear)last).Inputs;
        long expected =
            file.Kind == ModelKind.Cnn
                ? 64L * (images.Height / 4) * (images.Width / 4)
                : (long)images.Height * images.Width;
        return inputs == expected
            ? images
            : throw new DataFormatException(
                folder,
                8,
                $"images of {images.Height} × {images.Width}",
                $"images that fit the {inputs} inputs of the model's first linear layer"
            );
    }

    /// <summary>The first samples, or all.</summary>
    public static IDataset First(IDataset data, long? samples) =>
        samples is { } count && count < data.Count
            ? new Subset(data, Enumerable.Range(0, (int)Math.Min(count, int.MaxValue)).Select(i => (long)i))
            : data;

    /// <summary>Perplexity of a gpt, accuracy of the others.</summary>
    public static double Measure(NetworkFile file, IDataset data, Device device) =>
        file.Kind == ModelKind.Gpt
            ? Math.Exp(
                Evaluation.MeanLoss(file.Model, (model, fields) => model.ClassLoss(fields[0], fields[1]), data, device)
            )
            : Evaluation.Accuracy(file.Model, data, device);
}
