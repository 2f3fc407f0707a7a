namespace NativeAmp.Training.Data;

/// <summary>How a <see cref="CsvDataset"/> reads its file. The default takes the last column as the target.</summary>
public sealed record CsvOptions
{
    /// <summary>The character between cells, a single byte in UTF-8, such as ',', ';' or '\t'.</summary>
    public char Separator { get; init; } = ',';

    /// <summary>
    /// Whether the first row names the columns. Without names they are called "0", "1" and so on.
    /// </summary>
    public bool HasHeader { get; init; } = true;

    /// <summary>Names of the columns of numbers that a model reads; null for all others than targets and
    /// label.</summary>
    public IReadOnlyList<string>? Inputs { get; init; }

    /// <summary>Names of the columns of numbers that a model is to predict; null for the last column, if there is no
    /// <see cref="Label"/>.</summary>
    public IReadOnlyList<string>? Targets { get; init; }

    /// <summary>Name of the column of classes, numbers or text, instead of <see cref="Targets"/>.</summary>
    public string? Label { get; init; }

    /// <summary>
    /// The classes' texts in order: the first is class 0. Null for those of the file, sorted: by value if all are
    /// integers, else by character. Give a test set its training set's.
    /// </summary>
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>Whether to subtract the mean of each input column, and divide by its standard deviation.</summary>
    public bool NormalizeInputs { get; init; } = true;

    /// <summary>Whether to do so with the targets. Undo it for predictions: <see cref="Normalization.Undo"/>.</summary>
    public bool NormalizeTargets { get; init; }

    /// <summary>
    /// The inputs' normalization, column by column; null for that of the file's rows. Give a test set its training
    /// set's.
    /// </summary>
    public IReadOnlyList<Normalization>? InputNormalization { get; init; }

    /// <summary>The targets' normalization, in the same way.</summary>
    public IReadOnlyList<Normalization>? TargetNormalization { get; init; }
}
