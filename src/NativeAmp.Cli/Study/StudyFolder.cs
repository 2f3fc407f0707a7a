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

    /// <summary>As it was named.</summary>
    public string Path { get; } = path;

    /// <summary>The settings' file.</summary>
    public string SettingsFile => In("study.json");

    /// <summary>A file of the folder.</summary>
    public string In(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The folder of a run.</summary>
    public string Of(PlannedRun run) =>
        System.IO.Path.Combine(Path, run.Kind == RunKind.Probe ? "probes" : "runs", run.Name);

    /// <summary>Takes the folder for a study: a new one, or the same as before.</summary>
    /// <exception cref="StudyException">It holds a study with other settings, or something else; nothing was
    /// changed.</exception>
    public void Begin(StudySettings settings)
    {
        // Settings that nothing was measured with, such as those of a device that is not there, bind nobody.
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

    /// <summary>The settings of the study that lies there.</summary>
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

    /// <summary>What came of a run, or null where it is still to be made.</summary>
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
                $"{file} is the result of '{result.Name}': remove the folder, and the run is made again."
            );
    }

    /// <summary>An empty folder for a run; what a stopped one left is removed.</summary>
    public string Clear(PlannedRun run)
    {
        string folder = Of(run);
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>Keeps what came of a run.</summary>
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
