using System.Globalization;
using NativeAmp.Onnx.Writing;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Wire;

namespace NativeAmp.Onnx;

/// <summary>
/// The graph of a model that is being exported. A module adds nodes, which take values by name and give their output a
/// name, and its parameters as initializers. Operators are those of opset <see cref="OnnxExport.Opset"/>.
/// </summary>
public sealed partial class OnnxGraph
{
    private const string DomainSeparator = "::";

    private readonly Dictionary<Parameter, string> _parameterNames;
    private readonly Dictionary<Module, string> _moduleNames = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, string> _initializers = [];
    private string _path = "";
    private int _counter;

    internal OnnxGraph(Module model, OnnxPrecision precision)
    {
        Precision = precision;
        _parameterNames = model
            .NamedParameters()
            .Concat(model.NamedBuffers())
            .DistinctBy(entry => entry.Item2)
            .ToDictionary(entry => entry.Item2, entry => entry.Name);
        NameModules(model, "");
    }

    /// <summary>The element types that were asked for.</summary>
    public OnnxPrecision Precision { get; }

    /// <summary>The element type of values between modules.</summary>
    public OnnxElementType ElementType =>
        Precision == OnnxPrecision.Float16 ? OnnxElementType.Float16 : OnnxElementType.Float32;

    internal List<ProtobufMessage> Nodes { get; } = [];

    internal List<OnnxTensor> Tensors { get; } = [];

    /// <summary>Domains of operators that are not ONNX's own; version 1 of each.</summary>
    internal SortedSet<string> Domains { get; } = new(StringComparer.Ordinal);

    private OnnxElementType StoredType =>
        Precision == OnnxPrecision.Float32 ? OnnxElementType.Float32 : OnnxElementType.Float16;

    /// <summary>Adds a node with one output.</summary>
    /// <param name="operation">The operator's name, as "MatMul"; "domain::name" for one that is not ONNX's own, of
    /// version 1 of its domain.</param>
    /// <param name="inputs">Names of the inputs' values.</param>
    /// <param name="attributes">The operator's attributes; those that are left out have ONNX's defaults.</param>
    /// <returns>The name of the output's value.</returns>
    public string Node(string operation, IReadOnlyList<string> inputs, params ReadOnlySpan<OnnxAttribute> attributes) =>
        NodeOfSeveral(operation, inputs, 1, attributes)[0];

    /// <summary>Adds a node with several outputs.</summary>
    /// <param name="operation">The operator's name, as "Split"; "domain::name" for one that is not ONNX's own.</param>
    /// <param name="inputs">Names of the inputs' values.</param>
    /// <param name="outputs">Number of outputs.</param>
    /// <param name="attributes">The operator's attributes; those that are left out have ONNX's defaults.</param>
    /// <returns>The names of the outputs' values.</returns>
    public string[] NodeOfSeveral(
        string operation,
        IReadOnlyList<string> inputs,
        int outputs,
        params ReadOnlySpan<OnnxAttribute> attributes
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(operation);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(outputs);
        string name = NewName(operation.Split(DomainSeparator)[^1]);
        string[] results =
        [
            .. Enumerable
                .Range(0, outputs)
                .Select(i => outputs == 1 ? name : $"{name}.{i.ToString(CultureInfo.InvariantCulture)}"),
        ];
        Add(operation, name, inputs, results, attributes);
        return results;
    }

    /// <summary>Adds a parameter or a buffer of the model as an initializer, once.</summary>
    /// <param name="parameter">A parameter or buffer of the model.</param>
    /// <returns>The name of its value, of <see cref="ElementType"/>.</returns>
    /// <exception cref="ArgumentException">It is not of the model.</exception>
    public string Weight(Parameter parameter)
    {
        string name = NameOf(parameter);
        return _initializers.TryGetValue(name, out string? value)
            ? value
            : Add(name, parameter.Shape, parameter.ReadMaster);
    }

    /// <summary>
    /// Adds a matrix of the model, transposed, once: [columns, rows]. A matrix that the graph has already is transposed
    /// by a node.
    /// </summary>
    /// <param name="matrix">A parameter [rows, columns] of the model.</param>
    /// <returns>The name of its value, of <see cref="ElementType"/>.</returns>
    /// <exception cref="ArgumentException">It is not of the model, or no matrix.</exception>
    public string TransposedWeight(Parameter matrix)
    {
        string name = NameOf(matrix);
        if (matrix.Shape.Rank != 2)
            throw new ArgumentException($"'{name}' is {matrix.Shape}, not a matrix.", nameof(matrix));
        string transposed = name + ".transposed";
        if (_initializers.TryGetValue(transposed, out string? value))
            return value;
        if (_initializers.TryGetValue(name, out string? asIs))
            return _initializers[transposed] = Node("Transpose", [asIs], OnnxAttribute.Integers("perm", 1, 0));
        (long rows, long columns) = (matrix.Shape[0], matrix.Shape[1]);
        return Add(transposed, [columns, rows], () => Matrices.Transpose(matrix.ReadMaster(), rows, columns));
    }

    /// <summary>input · weightᵀ + bias over the last dimension.</summary>
    /// <param name="input">The name of the input's value [..., in].</param>
    /// <param name="weight">A parameter [out, in] of the model.</param>
    /// <param name="bias">A parameter [out] of the model, or null.</param>
    /// <returns>The name of the output's value [..., out].</returns>
    public string Linear(string input, Parameter weight, Parameter? bias)
    {
        string product = Node("MatMul", [input, TransposedWeight(weight)]);
        return bias is null ? product : Node("Add", [product, Weight(bias)]);
    }

    /// <summary>Adds int64 numbers as an initializer, once for equal ones.</summary>
    /// <returns>The name of the value [count].</returns>
    public string Integers(params ReadOnlySpan<long> values)
    {
        long[] kept = values.ToArray();
        string name = "int64." + string.Join('_', kept);
        if (_initializers.TryAdd(name, name))
            Tensors.Add(new OnnxTensor(name, OnnxElementType.Int64, [kept.Length], () => OnnxData.Bytes(kept)));
        return name;
    }

    /// <summary>Adds a number as an initializer, once for equal ones.</summary>
    /// <param name="value">The number.</param>
    /// <param name="type">Float32 or Float16; none for <see cref="ElementType"/>.</param>
    /// <returns>The name of the value, a scalar.</returns>
    public string Number(float value, OnnxElementType type = OnnxElementType.None)
    {
        if (type == OnnxElementType.None)
            type = ElementType;
        string name = string.Create(CultureInfo.InvariantCulture, $"{type}.{value}").ToLowerInvariant();
        if (_initializers.TryAdd(name, name))
            Tensors.Add(new OnnxTensor(name, type, Shape.Scalar, () => OnnxData.Bytes([value], type, name)));
        return name;
    }

    /// <summary>Casts a value to another element type.</summary>
    /// <returns>The name of the result.</returns>
    public string Cast(string input, OnnxElementType type) =>
        Node("Cast", [input], OnnxAttribute.Integer("to", (long)type));

    /// <summary>Adds an activation.</summary>
    /// <returns>The name of the output's value.</returns>
    public string Activate(string input, Activation activation) =>
        activation switch
        {
            Activation.None => input,
            Activation.Relu => Node("Relu", [input]),
            Activation.Gelu => Node("Gelu", [input], OnnxAttribute.Text("approximate", "none")),
            Activation.GeluTanh => Node("Gelu", [input], OnnxAttribute.Text("approximate", "tanh")),
            // Swish has been an operator since opset 24 only.
            Activation.Silu => Node("Mul", [input, Node("Sigmoid", [input])]),
            Activation.Sigmoid => Node("Sigmoid", [input]),
            Activation.Tanh => Node("Tanh", [input]),
            _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "Not an activation."),
        };

    /// <summary>Adds a module of the model, by its own export or by that of NativeAmp.</summary>
    /// <param name="module">A module of the model.</param>
    /// <param name="input">The name of its input's value.</param>
    /// <returns>The name of its output's value.</returns>
    /// <exception cref="ExportException">Nothing is known of such a module.</exception>
    public string Export(Module module, string input)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentException.ThrowIfNullOrEmpty(input);
        string outer = _path;
        _path = _moduleNames.GetValueOrDefault(module, outer);
        string output = module is IOnnxModule own
            ? own.Export(this, input)
            : ModuleExport.Export(this, module, input)
                ?? throw new ExportException(
                    _path,
                    $"{(_path.Length == 0 ? "The model" : $"Module '{_path}'")} is a {module.GetType()}, which has no "
                        + $"ONNX export. Implement {nameof(IOnnxModule)} on it, or export a Sequential of "
                        + $"NativeAmp's modules."
                );
        _path = outer;
        return output;
    }

    /// <summary>Gives a value the name of the graph's output.</summary>
    internal void Output(string value, string name) => Add("Identity", NewName("Identity"), [value], [name], []);

    private void Add(
        string operation,
        string name,
        IReadOnlyList<string> inputs,
        string[] outputs,
        ReadOnlySpan<OnnxAttribute> attributes
    )
    {
        var node = new ProtobufMessage();
        foreach (string input in inputs)
            node.Text(OnnxFields.NodeInput, input);
        foreach (string output in outputs)
            node.Text(OnnxFields.NodeOutput, output);
        string[] words = operation.Split(DomainSeparator);
        node.Text(OnnxFields.NodeName, name).Text(OnnxFields.NodeOperator, words[^1]);
        if (words is [var domain, _])
        {
            Domains.Add(domain);
            node.Text(OnnxFields.NodeDomain, domain);
        }

        foreach (OnnxAttribute attribute in attributes)
            node.Message(OnnxFields.NodeAttribute, attribute.Message);
        Nodes.Add(node);
    }

    private string Add(string name, Shape shape, Func<float[]> values)
    {
        OnnxElementType type = StoredType;
        Tensors.Add(new OnnxTensor(name, type, shape, () => OnnxData.Bytes(values(), type, name)));
        string value = type == ElementType ? name : Cast(name, ElementType);
        _initializers.Add(name, value);
        return value;
    }

    private string NameOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return _parameterNames.TryGetValue(parameter, out string? name)
            ? name
            : throw new ArgumentException(
                $"The parameter {parameter.Shape} is not one of the model: register it in its module.",
                nameof(parameter)
            );
    }

    private string NewName(string operation) =>
        string.Create(CultureInfo.InvariantCulture, $"{_path}/{operation}{_counter++}");

    private void NameModules(Module module, string path)
    {
        _moduleNames.TryAdd(module, path);
        foreach ((string name, Module child) in module.NamedChildren())
            NameModules(child, path.Length == 0 ? name : $"{path}.{name}");
    }
}
