using NativeAmp.Training;
using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Export;
using NativeAmp.Training.Wire;

namespace NativeAmp.Onnx.Writing;

/// <summary>A value of the graph's interface: its name, element type, and sizes or names of dimensions.</summary>
internal sealed record OnnxValue(string Name, OnnxElementType Type, IReadOnlyList<OnnxDimension> Dimensions)
{
    /// <summary>The value as a message.</summary>
    public ProtobufMessage Message()
    {
        var shape = new ProtobufMessage();
        foreach (OnnxDimension dimension in Dimensions)
        {
            var message = new ProtobufMessage();
            shape.Message(
                OnnxFields.ShapeDimension,
                dimension.Name is { } name
                    ? message.Text(OnnxFields.DimensionName, name)
                    : message.Integer(OnnxFields.DimensionSize, dimension.Size)
            );
        }

        ProtobufMessage tensor = new ProtobufMessage()
            .Integer(OnnxFields.TensorTypeElement, (int)Type)
            .Message(OnnxFields.TensorTypeShape, shape);
        return new ProtobufMessage()
            .Text(OnnxFields.ValueName, Name)
            .Message(OnnxFields.ValueType, new ProtobufMessage().Message(OnnxFields.TypeTensor, tensor));
    }
}

/// <summary>A dimension: a size, or a name if it is free.</summary>
internal readonly record struct OnnxDimension(long Size, string? Name);

/// <summary>Writes a model front to back: the nodes, and then one initializer after the other.</summary>
internal static class OnnxModelFile
{
    // protobuf counts a message's bytes in 31 bits.
    private const long MostBytes = int.MaxValue;

    // ONNX advises offsets at which a file can be mapped.
    private const long Page = 4096;

    // The name of the file of data, after the model's; PyTorch's exporter has the same.
    private const string DataSuffix = ".data";

    /// <summary>Writes a model, and returns its files.</summary>
    /// <param name="path">The model's file.</param>
    /// <param name="graph">Its nodes and tensors.</param>
    /// <param name="values">Its input and its output.</param>
    /// <param name="metadata">Texts.</param>
    /// <param name="isBeside">Whether the numbers of large tensors are in a file of their own; null if the model would
    /// not fit one file.</param>
    public static IReadOnlyList<string> Write(
        string path,
        OnnxGraph graph,
        (OnnxValue Input, OnnxValue Output) values,
        IReadOnlyDictionary<string, string> metadata,
        bool? isBeside
    )
    {
        var beginning = new ProtobufMessage();
        foreach (ProtobufMessage node in graph.Nodes)
            beginning.Message(OnnxFields.GraphNode, node);
        beginning
            .Text(OnnxFields.GraphName, "NativeAmp")
            .Message(OnnxFields.GraphInput, values.Input.Message())
            .Message(OnnxFields.GraphOutput, values.Output.Message());
        ProtobufMessage model = Model(metadata, graph.Domains);
        string data = path + DataSuffix;
        IReadOnlyList<Initializer> initializers = Place(graph.Tensors, isBeside == true ? data : null);
        if (isBeside is null && Length() > MostBytes)
            initializers = Place(graph.Tensors, data);
        if (Length() > MostBytes)
            throw new ExportException(
                "",
                $"The model would be {Length()} bytes, and a file of ONNX has at most {MostBytes}. Let "
                    + $"{nameof(OnnxExportOptions)}.{nameof(OnnxExportOptions.ExternalData)} be null or true."
            );

        if (initializers.All(each => each.Offset is null))
        {
            AtomicFile.Write(path, WriteModel);
            return [path];
        }

        AtomicFile.Write(data, path, WriteData, WriteModel);
        return [path, data];

        long GraphLength() => beginning.Written.Length + initializers.Sum(each => each.LengthInModel);

        ProtobufMessage GraphPrefix() => new ProtobufMessage().Prefix(OnnxFields.ModelGraph, GraphLength());

        long Length() => model.Written.Length + GraphPrefix().Written.Length + GraphLength();

        void WriteModel(Stream stream)
        {
            stream.Write(model.Written);
            stream.Write(GraphPrefix().Written);
            stream.Write(beginning.Written);
            foreach (Initializer each in initializers)
            {
                stream.Write(each.Prefix.Written);
                stream.Write(each.Message.Written);
                if (each.Offset is null)
                    stream.Write(each.Tensor.Data());
            }
        }

        void WriteData(Stream stream)
        {
            foreach (Initializer each in initializers)
            {
                if (each.Offset is not { } offset)
                    continue;
                stream.Position = offset;
                stream.Write(each.Tensor.Data());
            }
        }
    }

    /// <summary>A tensor in the graph: its message, and where its data are beside it.</summary>
    private sealed record Initializer(OnnxTensor Tensor, ProtobufMessage Message, long? Offset)
    {
        private long Content => Message.Written.Length + (Offset is null ? Tensor.DataLength : 0);

        /// <summary>The beginning of the field of the graph that the message is.</summary>
        public ProtobufMessage Prefix => new ProtobufMessage().Prefix(OnnxFields.GraphInitializer, Content);

        /// <summary>Bytes of all of it in the model's file.</summary>
        public long LengthInModel => Prefix.Written.Length + Content;
    }

    private static List<Initializer> Place(IEnumerable<OnnxTensor> tensors, string? data)
    {
        List<Initializer> placed = [];
        long end = 0;
        foreach (OnnxTensor tensor in tensors)
        {
            if (data is null || !tensor.MayBeBeside)
            {
                placed.Add(new Initializer(tensor, tensor.Inside(), null));
                continue;
            }

            placed.Add(new Initializer(tensor, tensor.Beside(Path.GetFileName(data), end), end));
            end = (end + tensor.DataLength + Page - 1) / Page * Page;
        }

        return placed;
    }

    private static ProtobufMessage Model(IReadOnlyDictionary<string, string> metadata, IEnumerable<string> domains)
    {
        ProtobufMessage model = new ProtobufMessage()
            .Integer(OnnxFields.ModelIrVersion, OnnxExport.IrVersion)
            .Text(OnnxFields.ModelProducerName, "NativeAmp")
            .Text(OnnxFields.ModelProducerVersion, typeof(Module).Assembly.GetName().Version!.ToString(3))
            .Message(
                OnnxFields.ModelOpsetImport,
                new ProtobufMessage().Integer(OnnxFields.OpsetVersion, OnnxExport.Opset)
            );
        foreach (string domain in domains)
            model.Message(
                OnnxFields.ModelOpsetImport,
                new ProtobufMessage().Text(OnnxFields.OpsetDomain, domain).Integer(OnnxFields.OpsetVersion, 1)
            );
        foreach ((string key, string value) in metadata)
            model.Message(
                OnnxFields.ModelMetadata,
                new ProtobufMessage().Text(OnnxFields.EntryKey, key).Text(OnnxFields.EntryValue, value)
            );
        return model;
    }
}
