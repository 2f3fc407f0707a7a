using System.Globalization;
using System.Runtime.InteropServices;

namespace NativeAmp.Training.Data;

/// <summary>
/// The rows of a CSV file: numbers to read, and numbers or a class to predict. Field 0 is "inputs", float32 [columns];
/// field 1 is "targets", float32 [columns], or "label", int32.
/// </summary>
/// <example>
/// <code>
/// CsvDataset data = CsvDataset.Load("iris.csv", new CsvOptions { Label = "species" });
/// var (train, test) = data.RandomSplit(0.8, seed: 1);
/// </code>
/// </example>
public sealed class CsvDataset : IDataset
{
    private readonly ArrayDataset _data;

    private CsvDataset(CsvTable table, CsvOptions options)
    {
        InputColumns = table.InputNames;
        TargetColumns = table.TargetNames;
        Classes = table.Classes;
        (InputNormalization, float[] inputs) = Normalize(
            table.Inputs,
            InputColumns.Count,
            options.NormalizeInputs,
            options.InputNormalization
        );
        (TargetNormalization, float[] targets) = Normalize(
            table.Targets,
            TargetColumns.Count,
            options.NormalizeTargets,
            options.TargetNormalization
        );
        _data = new ArrayDataset(table.Rows);
        _data.Add("inputs", inputs, [InputColumns.Count]);
        if (options.Label is null)
            _data.Add("targets", targets, [TargetColumns.Count]);
        else
            _data.Add("label", [.. table.Labels], Shape.Scalar);
    }

    /// <summary>Number of rows.</summary>
    public long Count => _data.Count;

    /// <summary>The inputs, float32 [columns], and the targets, float32 [columns], or the label, int32.</summary>
    public IReadOnlyList<DataField> Fields => _data.Fields;

    /// <summary>Names of the input columns, in the order of the field.</summary>
    public IReadOnlyList<string> InputColumns { get; }

    /// <summary>Names of the target columns, in the order of the field; none if there is a label.</summary>
    public IReadOnlyList<string> TargetColumns { get; }

    /// <summary>The text of each class; none if there is no label.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>The inputs' means and deviations, column by column; none if they were left as they are.</summary>
    public IReadOnlyList<Normalization> InputNormalization { get; }

    /// <summary>The targets' means and deviations, column by column; none if they were left as they are.</summary>
    public IReadOnlyList<Normalization> TargetNormalization { get; }

    /// <summary>Reads a file or a pipe with a header, whose last column is the target.</summary>
    /// <inheritdoc cref="Load(string, CsvOptions)" path="/exception"/>
    public static CsvDataset Load(string path) => Load(path, options: null);

    /// <summary>Reads a file or a pipe.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How to read it; null for the default.</param>
    /// <exception cref="ArgumentException">The options name a column that the file does not have, name one twice, or
    /// contradict each other.</exception>
    /// <exception cref="DataFormatException">A cell that should hold a finite number does not, a row has another number
    /// of cells than the first, a label is no class, a quote is not closed, or there are no rows. The message gives
    /// line and column.</exception>
    /// <exception cref="IOException">It cannot be opened or read.</exception>
    public static CsvDataset Load(string path, CsvOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Read(path, InputFile.ReadAll(path, Array.MaxLength), options);
    }

    /// <summary>Reads the rest of a stream, such as standard input.</summary>
    /// <param name="stream">The stream; left open.</param>
    /// <param name="name">Its name in messages.</param>
    /// <param name="options">How to read it; null for the default.</param>
    /// <inheritdoc cref="Load(string, CsvOptions)" path="/exception"/>
    public static CsvDataset Load(Stream stream, string name, CsvOptions? options)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrEmpty(name);
        return Read(name, InputFile.ReadToEnd(name, stream, Array.MaxLength), options);
    }

    /// <inheritdoc/>
    public void Fill(long index, long epoch, Sample sample) => _data.Fill(index, epoch, sample);

    private static CsvDataset Read(string file, byte[] bytes, CsvOptions? options)
    {
        options ??= new CsvOptions();
        return new CsvDataset(CsvTable.Read(file, new CsvReader(file, bytes, options.Separator), options), options);
    }

    private static (Normalization[] Normalizations, float[] Rows) Normalize(
        List<double> rows,
        int columns,
        bool isWanted,
        IReadOnlyList<Normalization>? given
    )
    {
        if (!isWanted)
            return ([], [.. rows.Select(value => (float)value)]);
        if (given is not null && given.Count != columns)
            throw new ArgumentException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The options have {given.Count} normalizations for {columns} columns."
                )
            );
        Normalization[] normalizations = given is null
            ?
            [
                .. Enumerable
                    .Range(0, columns)
                    .Select(column => Normalization.OfColumn(CollectionsMarshal.AsSpan(rows), column, columns)),
            ]
            : [.. given];
        return (normalizations, [.. rows.Select((value, i) => (float)normalizations[i % columns].Apply(value))]);
    }
}
