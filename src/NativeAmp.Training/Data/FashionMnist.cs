namespace NativeAmp.Training.Data;

/// <summary>
/// Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 training and 10,000 test images of 28 × 28 in 10 classes.
/// </summary>
public static class FashionMnist
{
    /// <summary>Environment variable that names the folder of the four IDX files.</summary>
    public const string DirectoryVariable = "NATIVEAMP_DATA";

    /// <summary>The folder of Debian's package dataset-fashion-mnist.</summary>
    public const string DebianDirectory = "/usr/share/datasets/fashion-mnist";

    /// <summary>
    /// The folder that <see cref="Load"/> reads: the given one, else the environment variable's, else Debian's.
    /// </summary>
    public static string ResolveDirectory(string? directory = null)
    {
        if (!string.IsNullOrEmpty(directory))
            return directory;
        string? fromEnvironment = Environment.GetEnvironmentVariable(DirectoryVariable);
        return string.IsNullOrEmpty(fromEnvironment) ? DebianDirectory : fromEnvironment;
    }

    /// <summary>
    /// Reads the training and test sets of 10 classes. The test set is normalized with the training set's mean and
    /// standard deviation.
    /// </summary>
    /// <param name="directory">As of <see cref="MnistFiles.Load"/>; null for <see cref="DirectoryVariable"/> or
    /// <see cref="DebianDirectory"/>.</param>
    /// <exception cref="FileNotFoundException">A file is missing; the message says how to get it.</exception>
    /// <exception cref="DataFormatException">A file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be opened or read.</exception>
    public static (ImageDataset Train, ImageDataset Test) Load(string? directory = null) =>
        MnistFiles.Load(ResolveDirectory(directory), classes: 10);
}
