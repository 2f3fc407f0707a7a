using NativeAmp.Training;

namespace NativeAmp.Onnx;

/// <summary>The nodes of an attention, for any batch and time.</summary>
internal static class AttentionExport
{
    // Reshape takes this size from its input.
    private const long Same = 0;

    /// <summary>softmax(q · kᵀ / √headDim) · v of each head, between the two projections.</summary>
    public static string Export(OnnxGraph graph, MultiHeadAttention attention, string input)
    {
        long width = attention.Projection.Bias!.Shape[0];
        long headDim = width / attention.Heads;
        string[] parts = graph.NodeOfSeveral(
            "Split",
            [graph.Export(attention.Qkv, input)],
            3,
            OnnxAttribute.Integer("axis", -1),
            OnnxAttribute.Integer("num_outputs", 3)
        );
        string query = Heads(graph, parts[0], attention.Heads, headDim, 0, 2, 1, 3);
        string key = Heads(graph, parts[1], attention.Heads, headDim, 0, 2, 3, 1);
        string value = Heads(graph, parts[2], attention.Heads, headDim, 0, 2, 1, 3);
        // The scale first: float16 holds the product of scaled queries where it might not hold that of queries.
        string scaled = graph.Node("Mul", [query, graph.Number((float)(1 / Math.Sqrt(headDim)))]);
        string scores = graph.Node("MatMul", [scaled, key]);
        if (attention.IsCausal)
            scores = graph.Node("Add", [scores, CausalMask(graph, input)]);
        string weights = graph.Node("Softmax", [scores], OnnxAttribute.Integer("axis", -1));
        string mixed = graph.Node("MatMul", [weights, value]);
        string joined = graph.Node("Transpose", [mixed], OnnxAttribute.Integers("perm", 0, 2, 1, 3));
        string output = graph.Node("Reshape", [joined, graph.Integers(Same, Same, width)]);
        return graph.Export(attention.Projection, output);
    }

    /// <summary>The time of a value [batch, time, ...], as an int64 [1].</summary>
    public static string TimeOf(OnnxGraph graph, string value) =>
        graph.Node("Shape", [value], OnnxAttribute.Integer("start", 1), OnnxAttribute.Integer("end", 2));

    private static string Heads(
        OnnxGraph graph,
        string value,
        long heads,
        long headDim,
        params ReadOnlySpan<long> order
    )
    {
        string apart = graph.Node("Reshape", [value, graph.Integers(Same, Same, heads, headDim)]);
        return graph.Node("Transpose", [apart], OnnxAttribute.Integers("perm", order));
    }

    /// <summary>[time, time]: minus infinity above the diagonal, where a position would look ahead; else 0.</summary>
    private static string CausalMask(OnnxGraph graph, string input)
    {
        string time = TimeOf(graph, input);
        string square = graph.Node("Concat", [time, time], OnnxAttribute.Integer("axis", 0));
        string filled = graph.Node(
            "ConstantOfShape",
            [square],
            OnnxAttribute.Tensor("value", float.NegativeInfinity, graph.ElementType)
        );
        return graph.Node(
            "Trilu",
            [filled, graph.Node("Squeeze", [graph.Integers(1)])],
            OnnxAttribute.Integer("upper", 1)
        );
    }
}
