using NativeAmp.Onnx.Writing;
using NativeAmp.Training;
using NativeAmp.Training.Export;

namespace NativeAmp.Onnx;

/// <summary>
/// Finds the output's dimensions by computing samples of zeros: operators have their rules of shapes already, and a
/// sample that does not fit is found before a file is written.
/// </summary>
internal static class ShapeProbe
{
    /// <summary>Dimensions of input and output: fixed ones with sizes, free ones with names.</summary>
    public static (OnnxDimension[] Input, OnnxDimension[] Output) Dimensions(
        Module model,
        Shape sample,
        DType type,
        OnnxExportOptions options
    )
    {
        long[] sizes = [1, .. sample.Dimensions];
        var input = sizes
            .Select((size, i) => new OnnxDimension(size, options.FreeDimensions.GetValueOrDefault(i)))
            .ToArray();
        Shape first = OutputOf(model, sizes, type);
        OnnxDimension[] output = [.. first.Dimensions.ToArray().Select(size => new OnnxDimension(size, null))];
        foreach ((int dimension, string name) in options.FreeDimensions)
        {
            // Twice as much, and not one more: a stride would hide that.
            long[] larger = [.. sizes];
            larger[dimension] *= 2;
            Shape second = OutputOf(model, larger, type);
            for (int i = 0; i < output.Length; i++)
            {
                if (second[i] != first[i])
                    output[i] = new OnnxDimension(
                        first[i],
                        first[i] == sizes[dimension] && second[i] == larger[dimension]
                            ? name
                            : $"{options.OutputName}_{i}"
                    );
            }
        }

        return (input, output);
    }

    private static Shape OutputOf(Module model, long[] sizes, DType type)
    {
        Shape shape = new(sizes);
        using EvaluationMode mode = EvaluationMode.Enter(model);
        try
        {
            using NoGrad scope = NoGrad.Enter();
            Device? device = model.Device;
            using Device? temporary = device is null ? Device.Cpu(threads: 1) : null;
            device ??= temporary!;
            using Tensor input =
                type == DType.Int32
                    ? Tensor.From(device, new int[shape.Count], shape)
                    : Tensor.From(device, new float[shape.Count], shape);
            return model.Call(input).Shape;
        }
        catch (ArgumentException e)
        {
            throw new ExportException(
                "",
                $"The model cannot compute an input of {shape}: {e.Message} Give the shape of a sample that it was "
                    + "trained on, without the batch.",
                e
            );
        }
    }
}
