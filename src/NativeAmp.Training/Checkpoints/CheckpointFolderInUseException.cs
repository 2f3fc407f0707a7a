namespace NativeAmp.Training.Checkpoints;

/// <summary>Another run uses the folder of checkpoints. Nothing was changed.</summary>
public sealed class CheckpointFolderInUseException : IOException
{
    internal CheckpointFolderInUseException(string folder, int? process)
        : base(
            $"{folder} is in use by {(process is null ? "another run" : $"the run of process {process}")}: wait for "
                + "its end, or take another folder."
        )
    {
        Folder = folder;
        ProcessId = process;
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The process that uses the folder, by its own process id; null if unknown.</summary>
    public int? ProcessId { get; }
}
