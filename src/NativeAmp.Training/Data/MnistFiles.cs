using System.Text.RegularExpressions;

namespace NativeAmp.Training.Data;

/// <summary>
/// Data sets in the four files of MNIST's family (MNIST, Fashion-MNIST, KMNIST, EMNIST, QMNIST): training and test
/// images and labels, as IDX, plain or gzip. File names may have dashes, dots or underscores, and may begin with the
/// name of the set.
/// </summary>
public static partial class MnistFiles
{
    private const string LookedFor =
        "[NAME-]train-images-idx3-ubyte, [NAME-]train-labels-idx1-ubyte, [NAME-]t10k-images-idx3-ubyte and "
        + "[NAME-]t10k-labels-idx1-ubyte (or test for t10k, idx2-int for labels), each plain or with .gz";

    private const int MostListed = 8;

    private static readonly string[] Parts = ["train-images", "train-labels", "t10k-images", "t10k-labels"];

    /// <summary>
    /// Reads the training and test sets. The test set is normalized with the training set's mean and standard
    /// deviation.
    /// </summary>
    /// <param name="folder">The folder. If it holds several sets, append the name of one:
    /// FOLDER/emnist-letters.</param>
    /// <param name="classes">
    /// Number of classes, 1 to 256. Labels run from 0; they run from 1 if the training labels need it and have no 0.
    /// Null takes the number of classes from the training labels, at least 10; labels then run from 1 if there is no 0
    /// and one is above 9.
    /// </param>
    /// <exception cref="FileNotFoundException">A file is missing, or there are several sets. The message lists the
    /// names looked for and the files found.</exception>
    /// <exception cref="DataFormatException">A file is damaged, or the files do not fit each other or the
    /// classes.</exception>
    /// <exception cref="IOException">A file cannot be opened or read.</exception>
    public static (ImageDataset Train, ImageDataset Test) Load(string folder, int? classes = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string[] files = Find(folder);
        (int first, int count) = Classes(files[1], classes);
        ImageDataset train = ImageDataset.Load(files[0], files[1], count, normalization: null, first);
        ImageDataset test = ImageDataset.Load(files[2], files[3], count, train.Normalization, first);
        if ((train.Height, train.Width) != (test.Height, test.Width))
            throw new DataFormatException(
                files[2],
                8,
                $"images of {test.Height} × {test.Width}",
                $"{train.Height} × {train.Width}, as in {files[0]}"
            );
        return (train, test);
    }

    private static (int First, int Count) Classes(string labelsPath, int? classes)
    {
        int[] labels = IdxReader.ReadLabels(labelsPath);
        int least = labels.Length == 0 ? 0 : labels.Min();
        int largest = labels.Length == 0 ? 0 : labels.Max();
        if (classes is { } given)
            return (least >= 1 && largest == given ? 1 : 0, given);
        if (least < 0 || largest > 256)
            return (0, 256); // the error then names the label that does not fit
        return largest <= 9 ? (0, 10)
            : least >= 1 ? (1, largest)
            : (0, Math.Min(256, largest + 1));
    }

    /// <summary>The files in the order of <see cref="Parts"/>.</summary>
    private static string[] Find(string folder)
    {
        string? named = null;
        string directory = folder;
        if (
            !Directory.Exists(folder)
            && Path.GetDirectoryName(Path.GetFullPath(folder)) is { } parent
            && Directory.Exists(parent)
        )
            (directory, named) = (parent, Path.GetFileName(folder));
        Dictionary<string, string?[]> sets = Directory.Exists(directory) ? Sets(directory) : [];
        if (named is not null)
            return sets.TryGetValue(named, out string?[]? set) && set.All(file => file is not null)
                ? Whole(set)
                : throw Missing(folder, null, sets);

        string[] complete =
        [
            .. sets.Where(pair => pair.Value.All(file => file is not null))
                .Select(pair => pair.Key)
                .Order(StringComparer.Ordinal),
        ];
        if (complete.Length == 0)
            throw Missing(folder, directory, sets);
        if (complete.Length > 1 && complete[0].Length > 0)
            throw new FileNotFoundException(
                $"{folder} holds several data sets: {string.Join(", ", complete)}. Name one: "
                    + $"{Path.Combine(folder, complete[0])}.",
                folder
            );
        return Whole(sets[complete[0]]); // the set without a name, if there is one
    }

    private static string[] Whole(string?[] files) => [.. files.Select(file => file!)];

    private static Dictionary<string, string?[]> Sets(string directory)
    {
        var sets = new Dictionary<string, string?[]>(StringComparer.OrdinalIgnoreCase);
        // Ordered so that a plain file comes before the same with .gz, and t10k before test.
        foreach (string path in Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal))
        {
            Match match = FileName().Match(Path.GetFileName(path));
            if (!match.Success)
                continue;
            string set = match.Groups["set"].Value.TrimEnd('-', '.', '_');
            if (!sets.TryGetValue(set, out string?[]? files))
                sets.Add(set, files = new string?[Parts.Length]);
            bool train = match.Groups["part"].Value.Equals("train", StringComparison.OrdinalIgnoreCase);
            bool images = match.Groups["kind"].Value.Equals("images", StringComparison.OrdinalIgnoreCase);
            files[(train ? 0 : 2) + (images ? 0 : 1)] ??= path;
        }

        return sets;
    }

    private static FileNotFoundException Missing(string folder, string? directory, Dictionary<string, string?[]> sets)
    {
        string there;
        string[] missing = sets.Count == 0 ? [] : [.. Closest(sets)];
        if (directory is null || !Directory.Exists(directory))
            there =
                sets.Count == 0
                    ? "there is no such folder"
                    : "there is no such folder, and beside it lie the sets "
                        + $"{string.Join(", ", sets.Keys.Order(StringComparer.Ordinal))}";
        else if (missing.Length > 0)
            there = $"{string.Join(" and ", missing)} is not there";
        else
        {
            string[] names =
            [
                .. Directory
                    .EnumerateFileSystemEntries(directory)
                    .Select(path => Path.GetFileName(path))
                    .Order(StringComparer.Ordinal),
            ];
            there =
                names.Length == 0
                    ? "the folder is empty"
                    : $"it holds {string.Join(", ", names.Take(MostListed))}{(names.Length > MostListed ? $" and {names.Length - MostListed} more" : "")}";
        }

        return new FileNotFoundException(
            $"No data set in {folder}: {there}. Looked for {LookedFor}. Fashion-MNIST comes with 'apt install "
                + "dataset-fashion-mnist'; "
                + $"another folder is named by --data DIR or {FashionMnist.DirectoryVariable}=DIR.",
            folder
        );
    }

    /// <summary>The missing files of the set that lacks the fewest.</summary>
    private static IEnumerable<string> Closest(Dictionary<string, string?[]> sets)
    {
        (string set, string?[] files) = sets.MinBy(pair => pair.Value.Count(file => file is null));
        return Parts.Where((_, i) => files[i] is null).Select(part => (set.Length == 0 ? "" : set + "-") + part);
    }

    [GeneratedRegex(
        @"^(?<set>.*?)(?<part>train|t10k|test)[-._]?(?<kind>images|labels)[-._]idx[0-9][-._](ubyte|int)(\.gz)?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture
    )]
    private static partial Regex FileName();
}
