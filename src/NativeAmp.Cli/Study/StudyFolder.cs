using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using NativeAmp.Cli.Output;
using NativeAmp.Training.Checkpoints;

namespace NativeAmp.Cli.Study;

/// <summary>The files of a study.</summary>
internal sealed class StudyFolder(string path)
{
    private const string ResultFile = "result.json";
    private const int LargestFile = 16 << 20;

    /// <summary>The path, as given.</summary>
    public string Path { get; } = path;

    /// <summary>The settings' file.</summary>
    public string SettingsFile => In("study.json");

    /// <summary>A file of the folder.</summary>
    public string In(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The folder of a run.</summary>
    public string Of(PlannedRun run) =>
        System.IO.Path.Combine(Path, run.Kind == RunKind.Probe ? "probes" : "runs", run.Name);

    /// <summary>Takes the folder for a new study, or for the study that is there.</summary>
    /// <exception cref="StudyException">It holds a study with other settings, or other files. Nothing was
    /// changed.</exception>
    public void Begin(StudySettings settings)
    {
        // If nothing was measured with the old settings (their device may not be there), new ones may replace them.
        if (File.Exists(SettingsFile) && HasResults)
        {
            IReadOnlyList<string> differences = settings.DifferencesFrom(Settings());
            if (differences.Count > 0)
                throw new StudyException(
                    $"{Path} holds a study with other settings: {string.Join("; ", differences)}. Take the same "
                        + "settings, or another --out."
                );
            return;
        }

        if (
            !File.Exists(SettingsFile)
            && Directory
                .EnumerateFileSystemEntries(Path)
                .Any(entry => System.IO.Path.GetFileName(entry) != FolderLock.FileName)
        )
            throw new StudyException($"{Path} is not empty and holds no study: take another --out.");
        Write(SettingsFile, settings, StudyJson.Default.StudySettings);
    }

    private bool HasResults => Directory.EnumerateFiles(Path, ResultFile, SearchOption.AllDirectories).Any();

    /// <summary>The settings of the study in the folder.</summary>
    /// <exception cref="StudyException">There is none, or it is damaged.</exception>
    public StudySettings Settings()
    {
        if (!File.Exists(SettingsFile))
            throw new StudyException($"{Path} holds no study: there is no study.json in it.");
        try
        {
            return Read(SettingsFile, StudyJson.Default.StudySettings)!.Check();
        }
        catch (UsageException e)
        {
            throw new StudyException($"{SettingsFile} is damaged: {e.Message}", e);
        }
    }

    /// <summary>The result of a run, or null if it is still to be made.</summary>
    /// <exception cref="StudyException">Its file is damaged.</exception>
    public RunResult? Result(PlannedRun run)
    {
        string file = System.IO.Path.Combine(Of(run), ResultFile);
        if (!File.Exists(file))
            return null;
        RunResult result = Read(file, StudyJson.Default.RunResult)!;
        return result.Name == run.Name
            ? result
            : throw new StudyException(
                $"{file} is the result of '{result.Name}': remove the folder, and the run is repeated."
            );
    }

    /// <summary>Makes an empty folder for a run. Files of a stopped run are removed.</summary>
    public string Clear(PlannedRun run)
    {
        string folder = Of(run);
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>Saves the result of a run.</summary>
    public void Keep(PlannedRun run, RunResult result) =>
        Write(System.IO.Path.Combine(Of(run), ResultFile), result, StudyJson.Default.RunResult);

    private static void Write<T>(string file, T value, JsonTypeInfo<T> type) =>
        AtomicFile.Write(file, stream => JsonSerializer.Serialize(stream, value, type));

    private static T? Read<T>(string file, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            if (new FileInfo(file).Length > LargestFile)
                throw new StudyException($"{file} is damaged: it is larger than {LargestFile >> 20} MiB.");
            using FileStream stream = File.OpenRead(file);
            return JsonSerializer.Deserialize(stream, type)
                ?? throw new StudyException($"{file} is damaged: it says null.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException)
        {
            throw new StudyException($"{file} is damaged: {e.Message}", e);
        }
    }
}
