using NativeAmp.Cli.Output;
using NativeAmp.Training;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Train;

/// <summary>The network and the data of a run's settings.</summary>
internal sealed record TrainTask(Module Model, IDataset Train, IDataset? Test) : IDisposable
{
    private const int SmallestForCnn = 4;

    /// <summary>Reads the data and draws the initial weights.</summary>
    /// <exception cref="DataFormatException">The data is damaged or does not fit the network.</exception>
    /// <exception cref="IOException">The data cannot be read.</exception>
    /// <exception cref="UsageException">There are fewer samples than one batch, or the run cannot fit in
    /// memory.</exception>
    public static TrainTask Create(TrainSettings settings, Device device, RandomGenerator random)
    {
        if (settings.Model == ModelKind.Gpt)
        {
            TextDataset text = ReadText(settings);
            Check(settings, text, device);
            return new TrainTask(Models.Gpt(settings.Gpt.Options, random).To(settings.ParameterType), text, Test: null);
        }

        string folder = FashionMnist.ResolveDirectory(settings.Data);
        (ImageDataset train, ImageDataset test) = MnistFiles.Load(folder, settings.Classes);
        (int height, int width) = (train.Height, train.Width);
        if (settings.Model == ModelKind.Cnn && Math.Min(height, width) < SmallestForCnn)
            throw new DataFormatException(
                folder,
                8,
                $"images of {height} × {width}",
                $"{SmallestForCnn} × {SmallestForCnn} at the least, which cnn halves twice"
            );
        Check(settings, train, device);
        Module model =
            settings.Model == ModelKind.Cnn
                ? Models.Cnn(random, height, width, train.Classes)
                : Models.Mlp(random, height * width, train.Classes);
        return new TrainTask(model.To(settings.ParameterType), train, test);
    }

    private static TextDataset ReadText(TrainSettings settings)
    {
        if (settings.Data != TrainSettings.StandardInput)
            return TextDataset.Load(settings.Data!, settings.Gpt.Context);
        using Stream input = Console.OpenStandardInput();
        return TextDataset.Load(input, "the standard input", settings.Gpt.Context);
    }

    private static void Check(TrainSettings settings, IDataset data, Device device)
    {
        if (settings.Batch > data.Count)
            throw new UsageException($"--batch is {settings.Batch}, but the data has only {data.Count} samples.");
        MemoryNeed.Check(settings, data, device);
    }

    /// <inheritdoc/>
    public void Dispose() => Model.Dispose();
}
