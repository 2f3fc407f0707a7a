namespace NativeAmp.Training.Data;

/// <summary>Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 training and 10,000 test images of 28 × 28 in 10 classes.</summary>
public static class FashionMnist
{
    /// <summary>Environment variable that names the folder of the four IDX files.</summary>
    public const string DirectoryVariable = "NATIVEAMP_DATA";

    /// <summary>Where Debian's package dataset-fashion-mnist puts them.</summary>
    public const string DebianDirectory = "/usr/share/datasets/fashion-mnist";

    /// <summary>The folder that <see cref="Load"/> takes: the one given, else the environment's, else Debian's.</summary>
    public static string ResolveDirectory(string? directory = null)
    {
        if (!string.IsNullOrEmpty(directory))
            return directory;
        string? fromEnvironment = Environment.GetEnvironmentVariable(DirectoryVariable);
        return string.IsNullOrEmpty(fromEnvironment) ? DebianDirectory : fromEnvironment;
    }

    /// <summary>Reads training and test set; the test set is normalised with the training set's mean and deviation.</summary>
    /// <param name="directory">Folder of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    /// t10k-labels-idx1-ubyte, each plain or with .gz; null for <see cref="DirectoryVariable"/> or <see cref="DebianDirectory"/>.
    /// Any data set in MNIST's files with 10 classes will do.</param>
    /// <exception cref="FileNotFoundException">A file is missing; the message says how to get it.</exception>
    /// <exception cref="DataFormatException">A file is damaged.</exception>
    public static (ImageDataset Train, ImageDataset Test) Load(string? directory = null)
    {
        string folder = ResolveDirectory(directory);
        string trainImages = Find(folder, "train-images-idx3-ubyte");
        string trainLabels = Find(folder, "train-labels-idx1-ubyte");
        string testImages = Find(folder, "t10k-images-idx3-ubyte");
        string testLabels = Find(folder, "t10k-labels-idx1-ubyte");
        ImageDataset train = ImageDataset.Load(trainImages, trainLabels, classes: 10);
        ImageDataset test = ImageDataset.Load(testImages, testLabels, classes: 10, train.Normalization);
        if (!train.FeatureShape.SequenceEqual(test.FeatureShape))
            throw new DataFormatException(testImages, 8, $"images of {test.FeatureShape[1]} × {test.FeatureShape[2]}",
                $"{train.FeatureShape[1]} × {train.FeatureShape[2]}, as in {trainImages}");
        return (train, test);
    }

    private static string Find(string folder, string name)
    {
        foreach (string candidate in (ReadOnlySpan<string>)[name, name + ".gz"])
        {
            string path = Path.Combine(folder, candidate);
            if (File.Exists(path))
                return path;
        }

        throw new FileNotFoundException(
            $"Fashion-MNIST's {name}(.gz) is not in {folder}. Install it with 'apt install dataset-fashion-mnist', " +
            $"or name a folder that has it: --data DIR or {DirectoryVariable}=DIR.", Path.Combine(folder, name));
    }
}
