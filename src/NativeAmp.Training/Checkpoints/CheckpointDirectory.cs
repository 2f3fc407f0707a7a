using System.Globalization;
using System.Runtime.ExceptionServices;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// A folder of checkpoints that keeps the newest few. A new one is complete before an old one is removed, so that after
/// a crash at any moment there is one to resume from. The folder belongs to one run until it is disposed.
/// </summary>
internal sealed class CheckpointDirectory : IDisposable
{
    private const string Prefix = "step-";
    private const string Extension = ".safetensors";

    private readonly string _folder;
    private readonly int _keep;
    private readonly FolderLock _lock;
    private readonly HashSet<string> _passedOver = [];

    /// <summary>Takes a folder for this run, and creates it if it is not there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="keep">Number of checkpoints to keep, 1 or more.</param>
    /// <exception cref="CheckpointFolderInUseException">Another run uses the folder.</exception>
    /// <exception cref="IOException">The folder cannot be created or written.</exception>
    public CheckpointDirectory(string folder, int keep)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(keep);
        _folder = folder;
        _keep = keep;
        Directory.CreateDirectory(folder);
        _lock = FolderLock.Take(folder);
    }

    /// <summary>Whether there is any checkpoint.</summary>
    public bool HasAny => Newest().Count > 0;

    /// <summary>
    /// Writes the checkpoint of a step, then removes older ones beyond the newest few up to that step. Files of later
    /// steps, which this run skipped when it resumed, are left. Skipped files do not count as kept ones.
    /// </summary>
    /// <returns>The file.</returns>
    public string Save(long step, IReadOnlyList<CheckpointItem> items, IReadOnlyDictionary<string, string> facts)
    {
        string path = Path.Combine(
            _folder,
            string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:D10}{Extension}")
        );
        CheckpointFile.Write(path, items, facts);
        _passedOver.Remove(path);
        int room = _keep - 1;
        foreach (
            string older in Newest().Where(file => file.Step <= step && file.Path != path).Select(file => file.Path)
        )
        {
            if (room == 0)
                File.Delete(older);
            else if (!_passedOver.Contains(older))
                room--;
        }

        // Temporary files of a killed process: nothing else writes here.
        foreach (string left in Directory.EnumerateFiles(_folder, Prefix + "*" + AtomicFile.TemporarySuffix))
            File.Delete(left);
        return path;
    }

    /// <summary>Loads the newest checkpoint that is intact.</summary>
    /// <param name="items">The items to load.</param>
    /// <param name="facts">Facts of the run, compared with those of the checkpoint.</param>
    /// <param name="passedOver">Called for each newer checkpoint that is damaged or cannot be read, with the
    /// reason.</param>
    /// <param name="mayChange">Names of facts that may differ; null for none.</param>
    /// <returns>The checkpoint, or null if there is none at all.</returns>
    /// <exception cref="DataFormatException">There are checkpoints, and none is intact; or <see cref="IOException"/>,
    /// of the newest.</exception>
    /// <exception cref="CheckpointException">The newest intact one belongs to another run.</exception>
    public LoadedCheckpoint? LoadNewest(
        IReadOnlyList<CheckpointItem> items,
        IReadOnlyDictionary<string, string> facts,
        Action<string, Exception> passedOver,
        IReadOnlySet<string>? mayChange = null
    )
    {
        ExceptionDispatchInfo? first = null;
        foreach ((string path, _) in Newest())
        {
            try
            {
                return new LoadedCheckpoint(
                    path,
                    CheckpointFile.Read(path, items, facts, mayChange ?? new HashSet<string>())
                );
            }
            catch (Exception e) when (e is DataFormatException or IOException or UnauthorizedAccessException)
            {
                first ??= ExceptionDispatchInfo.Capture(e);
                _passedOver.Add(path);
                passedOver(path, e);
            }
        }

        first?.Throw();
        return null;
    }

    /// <summary>Gives the folder back.</summary>
    public void Dispose() => _lock.Dispose();

    /// <summary>Files that are named as checkpoints, the newest first.</summary>
    private List<(string Path, long Step)> Newest() =>
        Directory
            .EnumerateFiles(_folder, Prefix + "*" + Extension)
            .Select(path => (Path: path, Step: StepOf(path)))
            .Where(file => file.Step >= 0)
            .OrderByDescending(file => file.Step)
            .ToList();

    private static long StepOf(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path)[Prefix.Length..];
        return long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : -1;
    }
}

/// <summary>A checkpoint that was loaded.</summary>
/// <param name="File">The file.</param>
/// <param name="Changes">Facts that differ from the checkpoint's, and are allowed to.</param>
internal sealed record LoadedCheckpoint(string File, IReadOnlyList<string> Changes);
