namespace NativeAmp.Training.Checkpoints;

/// <summary>
/// An intact file belongs to another model, optimizer or run than the one it is loaded into. Nothing was changed.
/// </summary>
public sealed class CheckpointException : Exception
{
    /// <summary>An exception with the list of problems.</summary>
    public CheckpointException(string file, IReadOnlyList<string> problems)
        : base(
            $"{file} belongs to something else: "
                + $"{string.Join("; ", problems ?? throw new ArgumentNullException(nameof(problems)))}."
        )
    {
        File = file;
        Problems = problems;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>Everything that is missing, unexpected or of another shape, type or value.</summary>
    public IReadOnlyList<string> Problems { get; }
}
