using System.Globalization;

namespace NativeAmp.Training.Data;

/// <summary>The columns of a CSV file that the options name, as numbers and classes.</summary>
internal sealed class CsvTable
{
    private readonly string _file;
    private readonly CsvReader _reader;
    private readonly string[] _names;
    private readonly int[] _inputs;
    private readonly int[] _targets;
    private readonly int _label = -1;
    private readonly CsvOptions _options;
    private readonly List<string> _labels = [];
    private readonly List<(int Line, int Offset)> _labelPlaces = [];

    private CsvTable(string file, CsvReader reader, string[] names, CsvOptions options)
    {
        _file = file;
        _reader = reader;
        _names = names;
        _options = options;
        if (options.Label is not null && options.Targets is not null)
            throw new ArgumentException("The options have a label and targets; take one of them.", nameof(options));
        if (options.Label is not null)
            _label = Column(options.Label);
        _targets =
            options.Label is not null ? []
            : options.Targets is null ? [names.Length - 1]
            : Columns(options.Targets, "target");
        _inputs = options.Inputs is null
            ? [.. Enumerable.Range(0, names.Length).Where(i => i != _label && !_targets.Contains(i))]
            : Columns(options.Inputs, "input");
        if (_inputs.Length == 0)
            throw new ArgumentException(
                $"{file} has no column left to read: {string.Join(", ", names)}.",
                nameof(options)
            );
    }

    public long Rows { get; private set; }

    /// <summary>The inputs, row by row: as written where they are to be normalized, else rounded to float32.</summary>
    public List<double> Inputs { get; } = [];

    /// <summary>The targets, in the same way.</summary>
    public List<double> Targets { get; } = [];

    public int[] Labels { get; private set; } = [];

    public IReadOnlyList<string> Classes { get; private set; } = [];

    public string[] InputNames => [.. _inputs.Select(column => _names[column])];

    public string[] TargetNames => [.. _targets.Select(column => _names[column])];

    public static CsvTable Read(string file, CsvReader reader, CsvOptions options)
    {
        var cells = new List<CsvCell>();
        if (!reader.Read(cells))
            throw new DataFormatException(
                file,
                0,
                "no rows",
                options.HasHeader ? "the columns' names" : "rows of cells"
            );
        string[] names = options.HasHeader
            ? [.. cells.Select(reader.Text)]
            : [.. cells.Select((_, i) => i.ToString(CultureInfo.InvariantCulture))];
        if (names.GroupBy(name => name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new DataFormatException(file, 0, $"two columns called '{twice.Key}'", "a name of its own for each");
        var table = new CsvTable(file, reader, names, options);
        if (!options.HasHeader)
            table.Add(cells);
        while (reader.Read(cells))
            table.Add(cells);
        if (table.Rows == 0)
            throw new DataFormatException(file, 0, "no rows below the names", "one or more");
        if (options.Label is not null)
            table.Classify(options.Classes);
        return table;
    }

    private void Add(List<CsvCell> cells)
    {
        if (cells.Count != _names.Length)
            throw new DataFormatException(
                _file,
                cells[0].Start,
                $"{cells.Count} cells in line {_reader.Line}",
                $"{_names.Length}, as in the first line"
            );
        foreach (int column in _inputs)
            Inputs.Add(Number(cells[column], column, _options.NormalizeInputs));
        foreach (int column in _targets)
            Targets.Add(Number(cells[column], column, _options.NormalizeTargets));
        if (_label >= 0)
        {
            _labels.Add(_reader.Text(cells[_label]));
            _labelPlaces.Add((_reader.Line, cells[_label].Start));
        }

        Rows++;
    }

    // Rounded before their mean is subtracted, times in seconds would become one number.
    private double Number(CsvCell cell, int column, bool isNormalized)
    {
        ReadOnlySpan<byte> text = _reader.Bytes(cell);
        if (
            float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value)
            && float.IsFinite(value)
        )
            return isNormalized ? double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture) : value;
        throw new DataFormatException(
            _file,
            cell.Start,
            $"'{_reader.Text(cell)}' in line {_reader.Line}, column '{_names[column]}'",
            "a finite number such as 1.5"
        );
    }

    private void Classify(IReadOnlyList<string>? classes)
    {
        Classes = classes ?? Sorted(_labels.Distinct());
        var indices = new Dictionary<string, int>();
        for (int i = 0; i < Classes.Count; i++)
        {
            if (!indices.TryAdd(Classes[i], i))
                throw new ArgumentException($"The options have the class '{Classes[i]}' twice.", nameof(classes));
        }

        Labels = new int[_labels.Count];
        for (int row = 0; row < Labels.Length; row++)
        {
            if (!indices.TryGetValue(_labels[row], out Labels[row]))
                throw new DataFormatException(
                    _file,
                    _labelPlaces[row].Offset,
                    $"'{_labels[row]}' in line {_labelPlaces[row].Line}, column '{_names[_label]}'",
                    $"one of the classes {string.Join(", ", Classes)}"
                );
        }
    }

    private static string[] Sorted(IEnumerable<string> classes)
    {
        string[] sorted = [.. classes.Order(StringComparer.Ordinal)];
        return sorted.All(text => long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out _))
            ? [.. sorted.OrderBy(text => long.Parse(text, NumberStyles.Integer, CultureInfo.InvariantCulture))]
            : sorted;
    }

    private int[] Columns(IReadOnlyList<string> names, string use)
    {
        if (names.Count == 0 || names.Distinct().Count() != names.Count)
            throw new ArgumentException(
                $"Each {use} column is named once, and there is one: {string.Join(", ", names)}."
            );
        return [.. names.Select(Column)];
    }

    private int Column(string name)
    {
        int column = Array.IndexOf(_names, name);
        return column >= 0
            ? column
            : throw new ArgumentException($"{_file} has no column '{name}'; it has {string.Join(", ", _names)}.");
    }
}
