using System.Reflection;

namespace NativeAmp.Training.Tests.Operators;

/// <summary>
/// A small call of every public operator, loss and module on a batch. Tests of all of them use this list, and
/// <see cref="Everything_public_is_here"/> checks that it is complete.
/// </summary>
internal sealed class OperatorCatalogue
{
    /// <summary>The calls, for a number of samples.</summary>
    // csharpier-ignore: a table
    public static IReadOnlyList<OperatorCase> Of(int batch) =>
        [
            Operator(
                "Relu",
                [
                    [batch, 6],
                ],
                x => Ops.Relu(x[0])
            ),
            Operator(
                "Gelu",
                [
                    [batch, 6],
                ],
                x => Ops.Gelu(x[0])
            ),
            Operator(
                "Activate",
                [
                    [batch, 6],
                ],
                x => Ops.Activate(x[0], Activation.GeluTanh)
            ),
            Operator(
                "Silu",
                [
                    [batch, 6],
                ],
                x => Ops.Silu(x[0])
            ),
            Operator(
                "Sigmoid",
                [
                    [batch, 6],
                ],
                x => Ops.Sigmoid(x[0])
            ),
            Operator(
                "Tanh",
                [
                    [batch, 6],
                ],
                x => Ops.Tanh(x[0])
            ),
            Operator(
                "Add",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Ops.Add(x[0], x[1], 2, -3)
            ),
            Operator(
                "Add broadcast",
                [
                    [batch, 6],
                    [6],
                ],
                x => Ops.Add(x[0], x[1])
            ),
            Operator(
                "Product",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Ops.Multiply(x[0], x[1])
            ),
            Operator(
                "Product broadcast",
                [
                    [batch, 6],
                    [6],
                ],
                x => Ops.Multiply(x[0], x[1])
            ),
            Operator(
                "Multiply",
                [
                    [batch, 6],
                ],
                x => Ops.Multiply(x[0], 1.5f)
            ),
            Operator(
                "Attention",
                [
                    [batch, 2, 3, 4],
                    [batch, 2, 3, 4],
                    [batch, 2, 3, 4],
                ],
                x => Ops.Attention(x[0], x[1], x[2], causal: true)
            ),
            Operator(
                "Attention of heads that share keys, over earlier times",
                [
                    [batch, 4, 3, 4],
                    [batch, 2, 5, 4],
                    [batch, 2, 5, 4],
                ],
                x => Ops.Attention(x[0], x[1], x[2], causal: true)
            ),
            Operator(
                "PackedAttention",
                [
                    [batch, 3, 12],
                ],
                x => Ops.PackedAttention(x[0], heads: 2, causal: false)
            ),
            Operator(
                "BatchNorm2d",
                [
                    [batch, 3, 2, 2],
                    [3],
                    [3],
                ],
                x => Ops.BatchNorm2d(x[0], x[1], x[2], null, null, training: true)
            ),
            Operator(
                "Cast",
                [
                    [batch, 6],
                ],
                x => Ops.Cast(x[0], DType.Float16)
            ),
            Operator(
                "Conv2d",
                [
                    [batch, 2, 4, 4],
                    [3, 2, 3, 3],
                    [3],
                ],
                x => Ops.Conv2d(x[0], x[1], x[2], new Conv2dOptions(Padding: 1))
            ),
            Operator(
                "Conv2d with ReLU",
                [
                    [batch, 2, 4, 4],
                    [4, 1, 3, 3],
                ],
                x => Ops.Conv2d(x[0], x[1], null, new Conv2dOptions(Groups: 2), Activation.Relu)
            ),
            Operator(
                "Dropout",
                [
                    [batch, 8],
                ],
                x => Ops.Dropout(x[0], 0.5f, x.Random)
            ),
            Operator(
                "Embedding",
                [
                    [5, 4],
                ],
                x => Ops.Embedding(x.Integers!, x[0]),
                ([batch, 3], 5)
            ),
            Operator(
                "LayerNorm",
                [
                    [batch, 6],
                    [6],
                    [6],
                ],
                x => Ops.LayerNorm(x[0], x[1], x[2])
            ),
            Operator(
                "LayerNorm to half",
                [
                    [batch, 6],
                    [6],
                    [6],
                ],
                x => Ops.LayerNorm(x[0], x[1], x[2], outputType: DType.BFloat16)
            ),
            Operator(
                "RmsNorm",
                [
                    [batch, 6],
                    [6],
                ],
                x => Ops.RmsNorm(x[0], x[1])
            ),
            Operator(
                "Linear",
                [
                    [batch, 6],
                    [4, 6],
                    [4],
                ],
                x => Ops.Linear(x[0], x[1], x[2])
            ),
            Operator(
                "Linear with GELU",
                [
                    [batch, 6],
                    [4, 6],
                    [4],
                ],
                x => Ops.Linear(x[0], x[1], x[2], Activation.Gelu)
            ),
            Operator(
                "Linear with ReLU",
                [
                    [batch, 6],
                    [4, 6],
                ],
                x => Ops.Linear(x[0], x[1], null, Activation.Relu)
            ),
            Operator(
                "MatMul",
                [
                    [batch, 3, 4],
                    [batch, 4, 2],
                ],
                x => Ops.MatMul(x[0], x[1])
            ),
            Operator(
                "MaxPool2d",
                [
                    [batch, 2, 4, 4],
                ],
                x => Ops.MaxPool2d(x[0], 2)
            ),
            Operator(
                "AvgPool2d",
                [
                    [batch, 2, 4, 4],
                ],
                x => Ops.AvgPool2d(x[0], 3, stride: 1, padding: 1)
            ),
            Operator(
                "Reshape",
                [
                    [batch, 6],
                ],
                x => Ops.Reshape(x[0], batch, 2, 3)
            ),
            Operator(
                "Flatten",
                [
                    [batch, 2, 3],
                ],
                x => Ops.Flatten(x[0])
            ),
            Operator(
                "Permute",
                [
                    [batch, 2, 3],
                ],
                x => Ops.Permute(x[0], 2, 0, 1)
            ),
            Operator(
                "Rows",
                [
                    [batch, 6],
                ],
                x => Ops.Rows(x[0], batch / 3, batch / 2)
            ),
            Operator(
                "Softmax",
                [
                    [batch, 6],
                ],
                x => Ops.Softmax(x[0])
            ),
            Operator(
                "ArgMax",
                [
                    [batch, 6],
                ],
                x => Ops.ArgMax(x[0])
            ),
            Operator(
                "Sum",
                [
                    [batch, 6],
                ],
                x => Ops.Sum(x[0])
            ),
            Operator(
                "Mean",
                [
                    [batch, 6],
                ],
                x => Ops.Mean(x[0])
            ),
            Operator(
                "CrossEntropy",
                [
                    [batch, 5],
                ],
                x => Loss.CrossEntropy(x[0], x.Integers!),
                ([batch], 5)
            ),
            Operator(
                "LinearCrossEntropy",
                [
                    [batch, 5],
                    [7, 5],
                ],
                x => Loss.LinearCrossEntropy(x[0], x[1], x.Integers!),
                ([batch], 7)
            ),
            Operator(
                "MeanSquaredError",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Loss.MeanSquaredError(x[0], x[1])
            ),
            Operator(
                "Exp",
                [
                    [batch, 6],
                ],
                x => Ops.Exp(x[0])
            ),
            Operator(
                "Log",
                [
                    [batch, 6],
                ],
                x => Ops.Log(x[0])
            ),
            Operator(
                "Sqrt",
                [
                    [batch, 6],
                ],
                x => Ops.Sqrt(x[0])
            ),
            Operator(
                "Abs",
                [
                    [batch, 6],
                ],
                x => Ops.Abs(x[0])
            ),
            Operator(
                "Clamp",
                [
                    [batch, 6],
                ],
                x => Ops.Clamp(x[0], -0.5f, 1)
            ),
            Operator(
                "Pow",
                [
                    [batch, 6],
                ],
                x => Ops.Pow(x[0], 3)
            ),
            Operator(
                "Divide",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Ops.Divide(x[0], x[1])
            ),
            Operator(
                "Divide broadcast",
                [
                    [batch, 6],
                    [batch, 1],
                ],
                x => Ops.Divide(x[0], x[1])
            ),
            Operator(
                "Add broadcast both",
                [
                    [batch, 1, 6],
                    [3, 1],
                ],
                x => Ops.Add(x[0], x[1], 2, -3)
            ),
            Operator(
                "Multiply broadcast both",
                [
                    [batch, 1, 6],
                    [3, 1],
                ],
                x => Ops.Multiply(x[0], x[1])
            ),
            Operator(
                "Sum over a dimension",
                [
                    [batch, 6],
                ],
                x => Ops.Sum(x[0], 1)
            ),
            Operator(
                "Mean over a dimension",
                [
                    [batch, 6, 2],
                ],
                x => Ops.Mean(x[0], -2, keepDimension: true)
            ),
            Operator(
                "Max",
                [
                    [batch, 6, 2],
                ],
                x => Ops.Max(x[0], 1)
            ),
            Operator(
                "Concat",
                [
                    [batch, 2],
                    [batch, 3],
                ],
                x => Ops.Concat([x[0], x[1], x[0]], dimension: 1)
            ),
            Operator(
                "Split",
                [
                    [batch, 5],
                ],
                x => Ops.Split(x[0], 2, dimension: 1)[1]
            ),
            Operator(
                "Narrow",
                [
                    [batch, 5, 2],
                ],
                x => Ops.Narrow(x[0], 1, 2, 3)
            ),
            Operator(
                "CrossEntropy with smoothing",
                [
                    [batch, 5],
                ],
                x => Loss.CrossEntropy(x[0], x.Integers!, labelSmoothing: 0.1f),
                ([batch], 5)
            ),
            Operator(
                "L1",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Loss.L1(x[0], x[1])
            ),
            Operator(
                "SmoothL1",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Loss.SmoothL1(x[0], x[1], 0.5f)
            ),
            Operator(
                "BinaryCrossEntropyWithLogits",
                [
                    [batch, 6],
                    [batch, 6],
                ],
                x => Loss.BinaryCrossEntropyWithLogits(x[0], x[1])
            ),
            Layer("Relu", [batch, 6], _ => new Relu()),
            Layer("Gelu", [batch, 6], _ => new Gelu()),
            Layer("BatchNorm2d", [batch, 3, 2, 2], _ => new BatchNorm2d(3)),
            Layer("BatchNorm2d in use", [batch, 3, 2, 2], _ => InUse(new BatchNorm2d(3))),
            Layer("Conv2d", [batch, 2, 4, 4], random => new Conv2d(2, 3, 3, random: random)),
            Layer("Dropout", [batch, 8], random => new Dropout(0.5f, random)),
            Layer("Embedding", null, random => new Embedding(5, 4, random: random), ([batch, 3], 5)),
            Layer("Flatten", [batch, 2, 3], _ => new Flatten()),
            Layer("LayerNorm", [batch, 6], _ => new LayerNorm(6)),
            Layer("RmsNorm", [batch, 6], _ => new RmsNorm(6)),
            Layer("Linear", [batch, 6], random => new Linear(6, 4, random: random)),
            Layer("MaxPool2d", [batch, 2, 4, 4], _ => new MaxPool2d(2)),
            Layer("AvgPool2d", [batch, 2, 4, 4], _ => new AvgPool2d(2)),
            Layer(
                "MultiHeadAttention",
                [batch, 3, 8],
                random => new MultiHeadAttention(8, 2, causal: true, random: random)
            ),
            Layer(
                "TransformerBlock",
                [batch, 3, 8],
                random => new TransformerBlock(8, 2, causal: true, random: random)
            ),
            Layer(
                "Sequential",
                [batch, 1, 6, 6],
                random => new Sequential(
                    new Conv2d(1, 2, 3, random: random),
                    new BatchNorm2d(2),
                    new Relu(),
                    new Flatten(),
                    new Linear(32, 8, random: random),
                    new Gelu(),
                    new Linear(8, 3, random: random)
                )
            ),
            Layer(
                "Gpt",
                null,
                random => new Gpt(
                    new GptOptions
                    {
                        Vocabulary = 7,
                        Context = 4,
                        Blocks = 1,
                        Width = 8,
                        Heads = 2,
                    },
                    random
                ),
                ([batch, 4], 7)
            ),
        ];

    [Test]
    public void Everything_public_is_here()
    {
        IEnumerable<string> operators = new[] { typeof(Ops), typeof(Loss) }
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static))
            .Select(method => method.Name);
        IEnumerable<string> modules = typeof(Module)
            .Assembly.GetExportedTypes()
            .Where(type => type.IsSubclassOf(typeof(Module)) && !type.IsAbstract)
            .Select(type => type.Name);
        IEnumerable<string> listed = Of(4).Select(operation => operation.Name.Split(' ')[0]);
        Assert.That(operators.Concat(modules).Distinct().Except(listed), Is.Empty);
    }

    private static OperatorCase Operator(
        string name,
        Shape[] floats,
        Func<OperatorInputs, Tensor> apply,
        (Shape, int)? integers = null
    ) => new(name, floats, integers, null, apply);

    private static OperatorCase Layer(
        string name,
        Shape? floats,
        Func<RandomGenerator, Module> module,
        (Shape, int)? integers = null
    ) =>
        new(
            $"{name} (module)",
            floats is { } shape ? [shape] : [],
            integers,
            module,
            x => x.Module!.Forward(x.Integers ?? x[0])
        );

    private static Module InUse(Module module)
    {
        module.Eval();
        return module;
    }
}
