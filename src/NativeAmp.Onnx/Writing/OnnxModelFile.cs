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

    public static void Write(
        string path,
        OnnxGraph graph,
        OnnxValue input,
        OnnxValue output,
        IReadOnlyDictionary<string, string> metadata
    )
    {
        var beginning = new ProtobufMessage();
        foreach (ProtobufMessage node in graph.Nodes)
            beginning.Message(OnnxFields.GraphNode, node);
        beginning
            .Text(OnnxFields.GraphName, "NativeAmp")
            .Message(OnnxFields.GraphInput, input.Message())
            .Message(OnnxFields.GraphOutput, output.Message());
        ProtobufMessage[] prefixes =
        [
            .. graph.Tensors.Select(tensor => new ProtobufMessage().Prefix(OnnxFields.GraphInitializer, tensor.Length)),
        ];
        long length =
            beginning.Written.Length
            + graph.Tensors.Zip(prefixes, (tensor, prefix) => prefix.Written.Length + tensor.Length).Sum();
        ProtobufMessage model = Model(metadata, graph.Domains).Prefix(OnnxFields.ModelGraph, length);
        if (model.Written.Length + length > MostBytes)
            throw new ExportException(
                "",
                $"The model would be {model.Written.Length + length} bytes, and a file of ONNX has at most {MostBytes}. "
                    + $"Export it with {nameof(OnnxPrecision)}.{nameof(OnnxPrecision.Float16)} or in parts."
            );

        AtomicFile.Write(
            path,
            stream =>
            {
                stream.Write(model.Written);
                stream.Write(beginning.Written);
                for (int i = 0; i < prefixes.Length; i++)
                {
                    stream.Write(prefixes[i].Written);
                    graph.Tensors[i].Write(stream);
                }
            }
        );
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
