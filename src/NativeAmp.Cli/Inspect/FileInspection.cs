using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Inspection;

namespace NativeAmp.Cli.Inspect;

/// <summary>Reads the tensors of files one after the other. Its memory does not grow with their size.</summary>
internal sealed class FileInspection(Func<string, bool> isWanted)
{
    private readonly ElementStatistics _elements = new();
    private readonly ValueStatistics _statistics = new();
    private readonly OrderedDictionary<string, ValueStatistics> _totals = [];
    private readonly List<TensorReport> _tensors = [];

    /// <summary>Inspects every wanted tensor of these files.</summary>
    /// <exception cref="DataFormatException">A file is damaged, or none has such a tensor.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static InspectReport Run(IReadOnlyList<string> files, Func<string, bool> isWanted)
    {
        var inspection = new FileInspection(isWanted);
        foreach (string file in files)
            inspection.Add(file);
        if (inspection._tensors.Count == 0)
            throw new DataFormatException(files[0], 0, "no tensor of such a name", "one to inspect");
        return new InspectReport(
            files,
            inspection._tensors,
            [
                .. inspection._totals.Select(total =>
                    TensorReport.Of($"all of kind {total.Key}", total.Key, "", [], total.Value)
                ),
            ]
        );
    }

    private void Add(string file)
    {
        using SafetensorsReader reader = SafetensorsReader.Open(file);
        bool isCheckpoint = reader.Metadata.ContainsKey("sha256") && reader.Metadata.ContainsKey("format");
        foreach (SafetensorsEntry entry in reader.Entries.Where(entry => isWanted(entry.Name)))
        {
            _statistics.Clear();
            _elements.Add(reader, entry, _statistics);
            string kind = Kind(entry, isCheckpoint);
            _tensors.Add(TensorReport.Of(entry.Name, kind, entry.DType.ToString(), entry.Shape, _statistics));
            if (!_totals.TryGetValue(kind, out ValueStatistics? total))
                _totals.Add(kind, total = new ValueStatistics());
            total.Add(_statistics);
        }
    }

    private static string Kind(SafetensorsEntry entry, bool isCheckpoint)
    {
        string name = entry.Name;
        if (name.Split('.').Any(part => part is "grad" or "grads" or "gradient" or "gradients"))
            return TensorKinds.Gradient;
        if (!isCheckpoint)
            return TensorKinds.Tensor;
        return name.StartsWith("model.", StringComparison.Ordinal) ? TensorKinds.Parameter
            : name.StartsWith("optimizer.exp_avg.", StringComparison.Ordinal) ? TensorKinds.FirstMoment
            : name.StartsWith("optimizer.", StringComparison.Ordinal) && entry.DType == SafetensorsDType.F32
                ? TensorKinds.SecondMoment
            : TensorKinds.Counter;
    }
}

/// <summary>Kinds of tensors.</summary>
internal static class TensorKinds
{
    public const string Tensor = "tensor";
    public const string Parameter = "parameter";
    public const string Gradient = "gradient";
    public const string ParameterGradient = "parameter gradient";
    public const string Activation = "activation";
    public const string FirstMoment = "first moment";
    public const string SecondMoment = "second moment";
    public const string Counter = "counter";

    /// <summary>
    /// Whether a loss scale would multiply tensors of this kind: gradients, and Adam's running mean, which stands for
    /// them.
    /// </summary>
    public static bool AreScaled(string kind) => kind is Gradient or ParameterGradient or FirstMoment;
}
