using System.Globalization;
using System.Runtime.ExceptionServices;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// A folder of checkpoints, of which the newest few are kept. A new one is complete before an old one goes, so that a
/// crash at any moment leaves one to resume from. It is one run's alone until it is disposed.
/// </summary>
internal sealed class CheckpointDirectory : IDisposable
{
    private const string Prefix = "step-";
    private const string Extension = ".safetensors";

    private readonly string _folder;
    private readonly int _keep;
    private readonly FolderLock _lock;
    private readonly HashSet<string> _passedOver = [];

    /// <summary>Takes a folder; it is made if it is not there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="keep">Checkpoints that are kept, 1 or more.</param>
    /// <exception cref="CheckpointFolderInUseException">Another run has it.</exception>
    /// <exception cref="IOException">It cannot be made or written.</exception>
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
    /// Writes the checkpoint of a step, then removes what is older than the newest few up to it. Files of later steps,
    /// which this run passed over, are left; no file that it passed over counts as one that is kept.
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

        // What a killed process was writing: nobody else writes here.
        foreach (string left in Directory.EnumerateFiles(_folder, Prefix + "*" + AtomicFile.TemporarySuffix))
            File.Delete(left);
        return path;
    }

    /// <summary>Loads the newest checkpoint that is intact.</summary>
    /// <param name="items">What to load into.</param>
    /// <param name="facts">Facts of the run, compared with those of the checkpoint.</param>
    /// <param name="passedOver">Told of each newer one that is damaged or cannot be read, and why.</param>
    /// <param name="mayChange">Names of facts that may differ; null for none.</param>
    /// <returns>The checkpoint, or null where there is none at all.</returns>
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
/// <param name="Changes">Facts that differ from the checkpoint's and may.</param>
internal sealed record LoadedCheckpoint(string File, IReadOnlyList<string> Changes);
