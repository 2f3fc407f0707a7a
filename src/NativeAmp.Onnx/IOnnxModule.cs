using NativeAmp.Training;

namespace NativeAmp.Onnx;

/// <summary>
/// A <see cref="Module"/> that describes its own inference in ONNX. Implement it on a module of your own; those of
/// NativeAmp are known to <see cref="OnnxExport"/>.
/// </summary>
public interface IOnnxModule
{
    /// <summary>Adds the module's nodes to a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="input">The name of the input's value: elements of <see cref="OnnxGraph.ElementType"/>, or int64
    /// tokens.</param>
    /// <returns>The name of the output's value.</returns>
    string Export(OnnxGraph graph, string input);
}
