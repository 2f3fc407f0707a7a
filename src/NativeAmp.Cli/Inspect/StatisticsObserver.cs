using NativeAmp.Training;
using NativeAmp.Training.Inspection;

namespace NativeAmp.Cli.Inspect;

/// <summary>Makes a report of every activation and gradient, in order.</summary>
/// <param name="compute">
/// The dtype that operators compute in. The totals count only tensors of this dtype, and the parameters that are
/// rounded to it: other tensors stay float32 on purpose.
/// </param>
internal sealed class StatisticsObserver(DType compute) : ModelObserver
{
    private readonly ElementStatistics _elements = new();
    private readonly ValueStatistics _statistics = new();
    private readonly OrderedDictionary<string, ValueStatistics> _totals = [];

    // Number of operators that have added to a parameter's gradient.
    private readonly Dictionary<string, int> _passes = [];
    private readonly List<TensorReport> _reports = [];

    /// <summary>Activations in forward order, gradients in backward order.</summary>
    public IReadOnlyList<TensorReport> Reports => _reports;

    /// <summary>Totals by kind.</summary>
    public IReadOnlyList<TensorReport> Totals =>
        [.. _totals.Select(total => TensorReport.Of($"all of kind {total.Key}", total.Key, "", [], total.Value))];

    /// <summary>Adds a model's parameters.</summary>
    public void AddParameters(Module model)
    {
        foreach (Parameter parameter in model.Parameters())
            Add(parameter.Name, TensorKinds.Parameter, parameter);
    }

    public override void OnActivation(in Observation activation) =>
        Add(Name(activation), TensorKinds.Activation, activation.Values);

    public override void OnGradient(in Observation gradient) =>
        Add(Name(gradient), TensorKinds.Gradient, gradient.Values);

    public override void OnParameterGradient(Parameter parameter, in Observation gradient) =>
        Add(
            Numbered(parameter.Name, _passes[parameter.Name] = _passes.GetValueOrDefault(parameter.Name) + 1),
            TensorKinds.ParameterGradient,
            gradient.Values
        );

    private static string Name(in Observation observation) =>
        Numbered(
            observation.Module.Length == 0 ? observation.Operation : $"{observation.Module} ({observation.Operation})",
            observation.Number
        );

    private static string Numbered(string name, int number) => number <= 1 ? name : $"{name} #{number}";

    private void Add(string name, string kind, Tensor values)
    {
        if (!values.DType.IsComputeType())
            return;
        _statistics.Clear();
        _elements.Add(values, _statistics);
        _reports.Add(
            TensorReport.Of(name, kind, TypeName(values.DType), values.Shape.Dimensions.ToArray(), _statistics)
        );
        if (values.DType != compute && kind != TensorKinds.Parameter)
            return;
        if (!_totals.TryGetValue(kind, out ValueStatistics? total))
            _totals.Add(kind, total = new ValueStatistics());
        total.Add(_statistics);
    }

    /// <summary>The safetensors name of a type.</summary>
    public static string TypeName(DType dtype) =>
        dtype switch
        {
            DType.Float16 => "F16",
            DType.BFloat16 => "BF16",
            _ => "F32",
        };
}
