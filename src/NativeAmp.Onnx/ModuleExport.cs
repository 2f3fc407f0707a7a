using NativeAmp.Training;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Onnx;

/// <summary>The nodes of NativeAmp's own modules in inference.</summary>
internal static class ModuleExport
{
    /// <summary>Adds a module's nodes; null if it is none of NativeAmp's.</summary>
    public static string? Export(OnnxGraph graph, Module module, string input) =>
        module switch
        {
            Linear { Quantized: { } integers } linear => graph.Linear(
                Round(graph, input, linear.InputCodes),
                integers,
                linear.Bias,
                linear.QuantizedAs == QuantizationKind.Int4Dynamic
            ),
            Linear linear => graph.Linear(input, linear.Weight, linear.Bias),
            Conv2d convolution => Convolve(graph, convolution, input),
            Relu => graph.Activate(input, Activation.Relu),
            Silu => graph.Activate(input, Activation.Silu),
            Sigmoid => graph.Activate(input, Activation.Sigmoid),
            Tanh => graph.Activate(input, Activation.Tanh),
            Gelu gelu => graph.Activate(input, gelu.IsTanh ? Activation.GeluTanh : Activation.Gelu),
            MaxPool2d pool => graph.Node("MaxPool", [input], [.. Window(pool.Kernel, pool.Stride, pool.Padding)]),
            AvgPool2d pool => graph.Node(
                "AveragePool",
                [input],
                [.. Window(pool.Kernel, pool.Stride, pool.Padding), OnnxAttribute.Integer("count_include_pad", 1)]
            ),
            BatchNorm2d { IsFolded: true } => input,
            BatchNorm2d norm => Normalize(graph, norm, input),
            LayerNorm norm => graph.Node(
                "LayerNormalization",
                [input, graph.Weight(norm.Weight), graph.Weight(norm.Bias)],
                OnnxAttribute.Integer("axis", -1),
                OnnxAttribute.Number("epsilon", norm.Epsilon)
            ),
            RmsNorm norm => Normalize(graph, norm, input),
            Dropout => input,
            Flatten => graph.Node("Flatten", [input], OnnxAttribute.Integer("axis", 1)),
            Embedding embedding => graph.Node("Gather", [graph.Weight(embedding.Weight), input]),
            Sequential chain => Enumerable
                .Range(0, chain.Count)
                .Aggregate(input, (value, i) => graph.Export(chain[i], value)),
            MultiHeadAttention attention => AttentionExport.Export(graph, attention, input),
            TransformerBlock block => Transform(graph, block, input),
            Gpt gpt => Predict(graph, gpt, input),
            _ => null,
        };

    private static string Round(OnnxGraph graph, string input, InputCodes? codes) =>
        codes is { } known ? graph.Rounded(input, known) : input;

    private static string Convolve(OnnxGraph graph, Conv2d convolution, string input)
    {
        Conv2dOptions options = convolution.Options;
        // 4 bits have no operator here: the weight has their values in float.
        string weight = convolution.Quantized is { Bits: 8 } integers
            ? graph.Dequantized(integers)
            : graph.Weight(convolution.Weight);
        long kernel = convolution.Quantized?.Shape[-1] ?? convolution.Weight.Shape[-1];
        input = Round(graph, input, convolution.InputCodes);
        return graph.Node(
            "Conv",
            convolution.Bias is { } bias ? [input, weight, graph.Weight(bias)] : [input, weight],
            [
                .. Window((int)kernel, options.Stride, options.Padding),
                OnnxAttribute.Integers("dilations", options.Dilation, options.Dilation),
                OnnxAttribute.Integer("group", options.Groups),
            ]
        );
    }

    private static OnnxAttribute[] Window(int kernel, int stride, int padding) =>
        [
            OnnxAttribute.Integers("kernel_shape", kernel, kernel),
            OnnxAttribute.Integers("strides", stride, stride),
            OnnxAttribute.Integers("pads", padding, padding, padding, padding),
        ];

    private static string Normalize(OnnxGraph graph, BatchNorm2d norm, string input) =>
        graph.Node(
            "BatchNormalization",
            [
                input,
                graph.Weight(norm.Weight),
                graph.Weight(norm.Bias),
                graph.Weight(norm.RunningMean),
                graph.Weight(norm.RunningVariance),
            ],
            OnnxAttribute.Number("epsilon", norm.Epsilon)
        );

    /// <summary>x / √(mean(x²) + ε) · weight; opset 23 has an operator for it, which few runtimes know.</summary>
    private static string Normalize(OnnxGraph graph, RmsNorm norm, string input)
    {
        // The squares of float16 numbers from 256 on are beyond its range.
        bool casts = graph.ElementType == OnnxElementType.Float16;
        const OnnxElementType Wide = OnnxElementType.Float32;
        string wide = casts ? graph.Cast(input, Wide) : input;
        string squares = graph.Node("Mul", [wide, wide]);
        string mean = graph.Node("ReduceMean", [squares, graph.Integers(-1)]);
        string root = graph.Node("Sqrt", [graph.Node("Add", [mean, graph.Number(norm.Epsilon, Wide)])]);
        string normalized = graph.Node("Div", [wide, root]);
        return graph.Node(
            "Mul",
            [casts ? graph.Cast(normalized, graph.ElementType) : normalized, graph.Weight(norm.Weight)]
        );
    }

    private static string Transform(OnnxGraph graph, TransformerBlock block, string input)
    {
        string attended = graph.Export(block.Attention, graph.Export(block.Norm1, input));
        string sum = graph.Node("Add", [input, attended]);
        string hidden = graph.Export(block.Expand, graph.Export(block.Norm2, sum));
        return graph.Node("Add", [sum, graph.Export(block.Contract, graph.Activate(hidden, block.Activation))]);
    }

    private static string Predict(OnnxGraph graph, Gpt gpt, string input)
    {
        string embedded = graph.Export(gpt.Tokens, input);
        // A time beyond the context finds too few positions: the sum below fails, instead of a wrong result.
        string time = AttentionExport.TimeOf(graph, input);
        string positions = graph.Node(
            "Slice",
            [graph.Weight(gpt.Positions), graph.Integers(0), time, graph.Integers(0)]
        );
        string current = graph.Node("Add", [embedded, positions]);
        foreach (TransformerBlock block in gpt.Blocks)
            current = graph.Export(block, current);
        return graph.Linear(graph.Export(gpt.Norm, current), gpt.Tokens.Weight, bias: null);
    }
}
