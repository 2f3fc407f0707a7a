using System.Globalization;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Wire;

namespace NativeAmp.Onnx.Writing;

/// <summary>
/// An initializer: a named constant of the graph. Its bytes are made when they are written, so that the memory of an
/// export is that of one tensor.
/// </summary>
internal sealed class OnnxTensor
{
    // Of shape inference: a runtime looks for sizes and axes in the model's file alone.
    private const long FewestBytesBeside = 1024;

    private readonly string _name;
    private readonly OnnxElementType _type;
    private readonly Shape _shape;
    private readonly Func<byte[]> _data;

    public OnnxTensor(string name, OnnxElementType type, Shape shape, Func<byte[]> data)
    {
        (_name, _type, _shape, _data) = (name, type, shape, data);
        DataLength = checked(shape.Count * OnnxData.Size(type));
    }

    /// <summary>Bytes of the numbers.</summary>
    public long DataLength { get; }

    /// <summary>Whether the numbers may be in a file beside the model's.</summary>
    public bool MayBeBeside => DataLength >= FewestBytesBeside;

    /// <summary>The message up to its data, which follow.</summary>
    public ProtobufMessage Inside() => Header(_name, _type, _shape).Prefix(OnnxFields.TensorRawData, DataLength);

    /// <summary>The message of a tensor whose data are in another file of the same folder.</summary>
    public ProtobufMessage Beside(string file, long offset)
    {
        ProtobufMessage message = Header(_name, _type, _shape);
        AddEntry("location", file);
        AddEntry("offset", offset.ToString(CultureInfo.InvariantCulture));
        AddEntry("length", DataLength.ToString(CultureInfo.InvariantCulture));
        return message.Integer(OnnxFields.TensorDataLocation, OnnxFields.External);

        void AddEntry(string key, string value) =>
            message.Message(
                OnnxFields.TensorExternalData,
                new ProtobufMessage().Text(OnnxFields.EntryKey, key).Text(OnnxFields.EntryValue, value)
            );
    }

    /// <summary>The fields of a tensor before its data.</summary>
    public static ProtobufMessage Header(string name, OnnxElementType type, Shape shape)
    {
        var message = new ProtobufMessage();
        foreach (long size in shape)
            message.Integer(OnnxFields.TensorDimensions, size);
        message.Integer(OnnxFields.TensorDataType, (int)type);
        return name.Length == 0 ? message : message.Text(OnnxFields.TensorName, name);
    }

    /// <summary>The numbers.</summary>
    /// <exception cref="ExportException">They are more than an array holds, or do not fit the type.</exception>
    public byte[] Data() =>
        DataLength <= Array.MaxLength
            ? _data()
            : throw new ExportException(
                _name,
                $"'{_name}' has {DataLength} bytes, and one tensor of a file at most {Array.MaxLength}. Export it with "
                    + $"{nameof(OnnxPrecision)}.{nameof(OnnxPrecision.Float16Weights)}, or split the layer."
            );
}
