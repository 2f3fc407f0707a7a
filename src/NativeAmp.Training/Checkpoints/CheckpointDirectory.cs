using System.Globalization;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// A folder of checkpoints, of which the newest few are kept. A new one is complete before an old one goes, so that a crash at any
/// moment leaves one to resume from.
/// </summary>
internal sealed class CheckpointDirectory
{
    private const string Prefix = "step-";
    private const string Extension = ".safetensors";

    private readonly string _folder;
    private readonly int _keep;

    /// <summary>Names a folder; it is made if it is not there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="keep">Checkpoints that are kept, 1 or more.</param>
    public CheckpointDirectory(string folder, int keep)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(keep);
        _folder = folder;
        _keep = keep;
        Directory.CreateDirectory(folder);
    }

    /// <summary>Whether there is any checkpoint.</summary>
    public bool HasAny => Newest().Count > 0;

    /// <summary>Writes the checkpoint of a step, then removes what is older than the newest few.</summary>
    /// <returns>The file.</returns>
    public string Save(long step, IReadOnlyList<CheckpointItem> items, IReadOnlyDictionary<string, string> facts)
    {
        string path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}{Extension}"));
        CheckpointFile.Write(path, items, facts);
        foreach (string old in Newest().Skip(_keep))
            File.Delete(old);
        // What a killed process was writing.
        foreach (string left in Directory.EnumerateFiles(_folder, Prefix + "*" + AtomicFile.TemporarySuffix))
            File.Delete(left);
        return path;
    }

    /// <summary>Loads the newest checkpoint that is intact.</summary>
    /// <param name="items">What to load into.</param>
    /// <param name="facts">Facts of the run that must be the same.</param>
    /// <param name="damaged">Told of each newer one that is not intact.</param>
    /// <returns>The file, or null where there is no checkpoint at all.</returns>
    /// <exception cref="DataFormatException">There are checkpoints, and none is intact.</exception>
    /// <exception cref="CheckpointException">The newest intact one belongs to another run.</exception>
    public string? LoadNewest(IReadOnlyList<CheckpointItem> items, IReadOnlyDictionary<string, string> facts, Action<DataFormatException> damaged)
    {
        DataFormatException? first = null;
        foreach (string path in Newest())
        {
            try
            {
                CheckpointFile.Read(path, items, facts);
                return path;
            }
            catch (DataFormatException e)
            {
                first ??= e;
                damaged(e);
            }
        }

        return first is null ? null : throw first;
    }

    /// <summary>Files that are named as checkpoints, the newest first.</summary>
    private List<string> Newest() => Directory.EnumerateFiles(_folder, Prefix + "*" + Extension)
        .Select(path => (Path: path, Step: StepOf(path)))
        .Where(file => file.Step >= 0)
        .OrderByDescending(file => file.Step)
        .Select(file => file.Path)
        .ToList();

    private static long StepOf(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path)[Prefix.Length..];
        return long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : -1;
    }
}
