using NativeAmp.Training;

namespace NativeAmp.Cli.Verify;

/// <summary>The result of an operator: its output, and the gradient of each input.</summary>
internal sealed record LayerResult(float[] Output, IReadOnlyDictionary<string, float[]> Gradients);

/// <summary>Computes one entry of layers.json with the public operators.</summary>
internal sealed class LayerOperators(GoldenForm form, Device device, LayerCase golden)
{
    /// <summary>Running statistics after a batch norm.</summary>
    public float[]? RunningMean { get; private set; }

    /// <inheritdoc cref="RunningMean"/>
    public float[]? RunningVariance { get; private set; }

    private LayerConfig Config => form.Required(golden.Config, $"config of {golden.Name}");

    /// <summary>Forward, then backward from an output gradient.</summary>
    public LayerResult Compute(string name, GoldenTensor outputGradient)
    {
        using TensorScope scope = TensorScope.Enter();
        Dictionary<string, Tensor> inputs = [];
        try
        {
            foreach ((string input, GoldenTensor value) in form.Required(golden.Inputs, "inputs"))
            {
                form.Tensor(value, input);
                var tensor = Tensor.From<float>(device, value.Data, new Shape(value.Shape));
                inputs.Add(input, tensor);
                tensor.RequiresGrad = true;
            }

            return name == "mse"
                ? MeanSquaredError(inputs)
                : Differentiate(Forward(name, inputs), inputs, outputGradient);
        }
        finally
        {
            foreach (Tensor tensor in inputs.Values)
                tensor.Dispose();
        }
    }

    private Tensor Forward(string name, Dictionary<string, Tensor> inputs)
    {
        Tensor? bias = inputs.GetValueOrDefault("bias");
        return name switch
        {
            "linear" => Ops.Linear(Input("x"), Input("weight"), bias),
            "relu" => Ops.Relu(Input("x")),
            "gelu" => Ops.Gelu(Input("x"), Config.Approximate == "tanh"),
            "layernorm" => Ops.LayerNorm(Input("x"), Input("weight"), bias, Config.Eps ?? 1e-5f),
            "maxpool2d" => Ops.MaxPool2d(Input("x"), Kernel(), Config.Stride ?? 0),
            "avgpool2d" => Ops.AvgPool2d(Input("x"), Kernel(), Config.Stride ?? 0),
            "softmax" => Ops.Softmax(Input("x")),
            "attention" => Ops.Attention(Input("q"), Input("k"), Input("v"), Config.Causal ?? false),
            "conv2d" => Ops.Conv2d(
                Input("x"),
                Input("weight"),
                bias,
                new Conv2dOptions
                {
                    Stride = Config.Stride ?? 1,
                    Padding = Config.Padding ?? 0,
                    Dilation = Config.Dilation ?? 1,
                }
            ),
            "embedding" => Ops.Embedding(Integers("indices"), Input("weight")),
            "cross_entropy" => Loss.CrossEntropy(Input("x"), Integers("targets")),
            "batchnorm2d" => BatchNorm(Input("x"), Input("weight"), bias),
            _ => throw form.Bad($"operator '{name}'", "one that is known here"),
        };

        Tensor Input(string input) => form.Required(inputs.GetValueOrDefault(input), $"input {input} of {name}");
    }

    private int Kernel() => Config.Kernel ?? throw form.Bad("no kernel", "one");

    private Tensor Integers(string name)
    {
        int[] values = form.Required(golden.Ints?.GetValueOrDefault(name), name);
        return Tensor.From<int>(device, values, new Shape(values.Length));
    }

    private Tensor BatchNorm(Tensor x, Tensor weight, Tensor? bias)
    {
        form.Require(x.Shape.Rank == 4, $"shape {x.Shape}", "[batch, channels, height, width]");
        // The initial values of PyTorch's running statistics.
        float[] initial = new float[x.Shape[1]];
        using Tensor mean = Tensor.From<float>(device, initial, new Shape(initial.Length));
        Array.Fill(initial, 1);
        using Tensor variance = Tensor.From<float>(device, initial, new Shape(initial.Length));
        Tensor y = Ops.BatchNorm2d(
            x,
            weight,
            bias,
            mean,
            variance,
            Config.Training ?? true,
            Config.Momentum ?? 0.1f,
            Config.Eps ?? 1e-5f
        );
        RunningMean = mean.ToFloats();
        RunningVariance = variance.ToFloats();
        return y;
    }

    /// <summary>Gradients of output · outputGradient: those of the output, starting from outputGradient.</summary>
    private LayerResult Differentiate(Tensor output, Dictionary<string, Tensor> inputs, GoldenTensor outputGradient)
    {
        form.Require(
            output.Count == outputGradient.Data.Length,
            $"{outputGradient.Data.Length} values of outputGrad",
            $"{output.Count}"
        );
        float[] values = output.ToFloats();
        using Tensor weights = Tensor.From<float>(device, outputGradient.Data, new Shape(output.Count, 1));
        Tensor loss = Ops.MatMul(Ops.Reshape(output, 1, output.Count), weights);
        loss.Backward();
        return new LayerResult(
            values,
            inputs.ToDictionary(input => input.Key, input => input.Value.Gradient?.ToFloats() ?? [])
        );
    }

    /// <summary>
    /// Loss.MeanSquaredError gives its target no gradient. The loss is symmetric, so exchanging the inputs gives the
    /// target's.
    /// </summary>
    private LayerResult MeanSquaredError(Dictionary<string, Tensor> inputs)
    {
        Tensor x = form.Required(inputs.GetValueOrDefault("x"), "input x of mse");
        Tensor target = form.Required(inputs.GetValueOrDefault("target"), "input target of mse");
        Dictionary<string, float[]> gradients = [];
        float[] values = [];
        foreach (
            (string name, Tensor prediction, Tensor other) in ((string, Tensor, Tensor)[])
                [("target", target, x), ("x", x, target)]
        )
        {
            prediction.RequiresGrad = true;
            other.RequiresGrad = false;
            Tensor loss = Loss.MeanSquaredError(prediction, other);
            values = loss.ToFloats();
            loss.Backward();
            gradients[name] = prediction.Gradient?.ToFloats() ?? [];
        }

        return new LayerResult(values, gradients);
    }
}
