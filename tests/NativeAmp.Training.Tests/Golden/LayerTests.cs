using System.Text.Json;

namespace NativeAmp.Training.Tests.Golden;

/// <summary>Every operator, forward and backward in float32, against libtorch's results.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class LayerTests(DeviceKind kind)
{
    private const double Relative = 1e-5;
    private const double Absolute = 1e-6;

    private static IEnumerable<TestCaseData> Operations()
    {
        string path = Path.Combine(AppContext.BaseDirectory, "golden", "layers.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement operations = document.RootElement.GetProperty("ops").Clone();
        int index = 0;
        foreach (JsonElement operation in operations.EnumerateArray())
        {
            string name = operation.GetProperty("name").GetString()!;
            string config = operation.TryGetProperty("config", out JsonElement settings) ? settings.GetRawText() : "";
            if (name != "batchnorm2d_running")
                yield return new TestCaseData(operation).SetArgDisplayNames($"{index}: {name} {config}");
            index++;
        }
    }

    [TestCaseSource(nameof(Operations))]
    public void An_operator_agrees_with_libtorch_in_both_directions(JsonElement golden)
    {
        using Device device = kind.Open();
        Dictionary<string, Tensor> inputs = golden
            .GetProperty("inputs")
            .EnumerateObject()
            .ToDictionary(input => input.Name, input => GoldenFile.Tensor(device, input.Value));
        JsonElement gradients = golden.GetProperty("grads");
        foreach (JsonProperty gradient in gradients.EnumerateObject())
            inputs[gradient.Name].RequiresGrad = true;

        Tensor output = Compute(golden, device, inputs);
        Assert.That(output.Shape, Is.EqualTo(GoldenFile.ShapeOf(golden.GetProperty("output"))));
        GoldenFile.AssertClose(
            output.ToFloats(),
            GoldenFile.Data(golden.GetProperty("output")),
            Relative,
            Absolute,
            "output"
        );

        using Tensor outputGradient = GoldenFile.Tensor(device, golden.GetProperty("outputGrad"));
        output.Backward(outputGradient);
        foreach (JsonProperty gradient in gradients.EnumerateObject())
        {
            float[] actual = inputs[gradient.Name].Gradient!.ToFloats();
            GoldenFile.AssertClose(
                actual,
                GoldenFile.Data(gradient.Value),
                Relative,
                Absolute,
                $"gradient of {gradient.Name}"
            );
        }

        foreach (Tensor input in inputs.Values)
            input.Dispose();
    }

    [Test]
    public void Batch_norm_in_training_moves_the_running_statistics_as_libtorch_does()
    {
        JsonElement[] operations = [.. GoldenFile.Read("layers.json").GetProperty("ops").EnumerateArray()];
        JsonElement golden = operations.First(operation => operation.GetProperty("name").GetString() == "batchnorm2d");
        JsonElement running = operations.First(operation =>
            operation.GetProperty("name").GetString() == "batchnorm2d_running"
        );
        using Device device = kind.Open();
        using Tensor x = GoldenFile.Tensor(device, golden.GetProperty("inputs").GetProperty("x"));
        using BatchNorm2d norm = new BatchNorm2d((int)x.Shape[1]).To(device);
        using (NoGrad.Enter())
            norm.Forward(x);
        GoldenFile.AssertClose(
            norm.RunningMean.ToFloats(),
            GoldenFile.Floats(running.GetProperty("runningMean")),
            Relative,
            Absolute,
            "running mean"
        );
        GoldenFile.AssertClose(
            norm.RunningVariance.ToFloats(),
            GoldenFile.Floats(running.GetProperty("runningVar")),
            Relative,
            Absolute,
            "running variance"
        );
    }

    private static Tensor Compute(JsonElement golden, Device device, Dictionary<string, Tensor> inputs)
    {
        JsonElement config = golden.TryGetProperty("config", out JsonElement settings) ? settings : default;
        int Setting(string name) => config.GetProperty(name).GetInt32();
        Tensor Labels(string name)
        {
            int[] values = GoldenFile.Ints(golden.GetProperty("ints").GetProperty(name));
            return Tensor.From(device, values, [values.Length]);
        }

        return golden.GetProperty("name").GetString() switch
        {
            "linear" => Ops.Linear(inputs["x"], inputs["weight"], inputs["bias"]),
            "relu" => Ops.Relu(inputs["x"]),
            "gelu" => Ops.Gelu(inputs["x"], tanh: config.GetProperty("approximate").GetString() == "tanh"),
            "layernorm" => Ops.LayerNorm(
                inputs["x"],
                inputs["weight"],
                inputs["bias"],
                config.GetProperty("eps").GetSingle()
            ),
            "maxpool2d" => Ops.MaxPool2d(inputs["x"], Setting("kernel"), Setting("stride")),
            "avgpool2d" => Ops.AvgPool2d(inputs["x"], Setting("kernel"), Setting("stride")),
            "mse" => Loss.MeanSquaredError(inputs["x"], inputs["target"]),
            "softmax" => Ops.Softmax(inputs["x"]),
            "attention" => Ops.Attention(
                inputs["q"],
                inputs["k"],
                inputs["v"],
                config.GetProperty("causal").GetBoolean()
            ),
            "conv2d" => Ops.Conv2d(
                inputs["x"],
                inputs["weight"],
                inputs["bias"],
                new Conv2dOptions(Setting("stride"), Setting("padding"), Setting("dilation"))
            ),
            "embedding" => Ops.Embedding(Labels("indices"), inputs["weight"]),
            "cross_entropy" => Loss.CrossEntropy(inputs["x"], Labels("targets")),
            "batchnorm2d" => Ops.BatchNorm2d(inputs["x"], inputs["weight"], inputs["bias"], null, null, training: true),
            var name => throw new NotSupportedException(
                $"The golden file has an operation '{name}' that this test does not know."
            ),
        };
    }
}
