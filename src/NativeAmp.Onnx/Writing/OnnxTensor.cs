using NativeAmp.Training;
using NativeAmp.Training.Wire;

namespace NativeAmp.Onnx.Writing;

/// <summary>
/// An initializer: a named constant of the graph. Its bytes are made when they are written, so that the memory of an
/// export is that of one tensor.
/// </summary>
internal sealed class OnnxTensor
{
    private readonly ProtobufMessage _header;
    private readonly Func<byte[]> _data;
    private readonly long _dataLength;

    public OnnxTensor(string name, OnnxElementType type, Shape shape, Func<byte[]> data)
    {
        _data = data;
        _dataLength = checked(shape.Count * OnnxData.Size(type));
        _header = Header(name, type, shape).Prefix(OnnxFields.TensorRawData, _dataLength);
    }

    /// <summary>Bytes of the message.</summary>
    public long Length => _header.Written.Length + _dataLength;

    /// <summary>The fields of a tensor before its data.</summary>
    public static ProtobufMessage Header(string name, OnnxElementType type, Shape shape)
    {
        var message = new ProtobufMessage();
        foreach (long size in shape)
            message.Integer(OnnxFields.TensorDimensions, size);
        message.Integer(OnnxFields.TensorDataType, (int)type);
        return name.Length == 0 ? message : message.Text(OnnxFields.TensorName, name);
    }

    public void Write(Stream stream)
    {
        stream.Write(_header.Written);
        stream.Write(_data());
    }
}
