using NativeAmp.Onnx.Writing;
using NativeAmp.Training.Wire;

namespace NativeAmp.Onnx;

/// <summary>An attribute of a node: a constant of the operator, by its name in ONNX's specification.</summary>
public sealed class OnnxAttribute
{
    // AttributeProto.AttributeType.
    private const int FloatType = 1;
    private const int IntType = 2;
    private const int StringType = 3;
    private const int TensorType = 4;
    private const int IntsType = 7;

    private OnnxAttribute(string name, int type)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Message = new ProtobufMessage().Text(OnnxFields.AttributeName, name).Integer(OnnxFields.AttributeTypeOf, type);
    }

    internal ProtobufMessage Message { get; }

    /// <summary>An integer.</summary>
    public static OnnxAttribute Integer(string name, long value)
    {
        var attribute = new OnnxAttribute(name, IntType);
        attribute.Message.Integer(OnnxFields.AttributeInt, value);
        return attribute;
    }

    /// <summary>Several integers.</summary>
    public static OnnxAttribute Integers(string name, params ReadOnlySpan<long> values)
    {
        var attribute = new OnnxAttribute(name, IntsType);
        foreach (long value in values)
            attribute.Message.Integer(OnnxFields.AttributeInts, value);
        return attribute;
    }

    /// <summary>A float32 number.</summary>
    public static OnnxAttribute Number(string name, float value)
    {
        var attribute = new OnnxAttribute(name, FloatType);
        attribute.Message.Single(OnnxFields.AttributeFloat, value);
        return attribute;
    }

    /// <summary>A text.</summary>
    public static OnnxAttribute Text(string name, string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var attribute = new OnnxAttribute(name, StringType);
        attribute.Message.Text(OnnxFields.AttributeString, value);
        return attribute;
    }

    /// <summary>A tensor of one float32 or float16 number.</summary>
    /// <param name="name">The attribute's name.</param>
    /// <param name="value">The number.</param>
    /// <param name="type">Float32 or Float16.</param>
    public static OnnxAttribute Tensor(string name, float value, OnnxElementType type)
    {
        var attribute = new OnnxAttribute(name, TensorType);
        byte[] data = OnnxData.Bytes([value], type, name);
        attribute.Message.Message(
            OnnxFields.AttributeTensor,
            OnnxTensor.Header("", type, [1]).Bytes(OnnxFields.TensorRawData, data)
        );
        return attribute;
    }
}
