namespace NativeAmp.Training.Data;

/// <summary>
/// Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 60,000 training and 10,000 test images of 28 × 28 in 10 classes.
/// </summary>
public static class FashionMnist
{
    /// <summary>Environment variable that names the folder of the four IDX files.</summary>
    public const string DirectoryVariable = "NATIVEAMP_DATA";

    /// <summary>Where Debian's package dataset-fashion-mnist puts them.</summary>
    public const string DebianDirectory = "/usr/share/datasets/fashion-mnist";

    /// <summary>
    /// The folder that <see cref="Load"/> takes: the one given, else the environment's, else Debian's.
    /// </summary>
    public static string ResolveDirectory(string? directory = null)
    {
        if (!string.IsNullOrEmpty(directory))
            return directory;
        string? fromEnvironment = Environment.GetEnvironmentVariable(DirectoryVariable);
        return string.IsNullOrEmpty(fromEnvironment) ? DebianDirectory : fromEnvironment;
    }

    /// <summary>
    /// Reads training and test set of 10 classes; the test set is normalized with the training set's mean and
    /// deviation.
    /// </summary>
    /// <param name="directory">As of <see cref="MnistFiles.Load"/>; null for <see cref="DirectoryVariable"/> or
    /// <see cref="DebianDirectory"/>.</param>
    /// <exception cref="FileNotFoundException">A file is missing; the message says how to get it.</exception>
    /// <exception cref="DataFormatException">A file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be opened or read.</exception>
    public static (ImageDataset Train, ImageDataset Test) Load(string? directory = null) =>
        MnistFiles.Load(ResolveDirectory(directory), classes: 10);
}
