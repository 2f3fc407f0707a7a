using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

// The operators, each with its gradients.
static partial class Golden
{
    static object Op(
        string name,
        object? config,
        Dictionary<string, Tensor> inputs,
        Func<Dictionary<string, Tensor>, Tensor> f,
        Dictionary<string, long[]>? ints = null
    )
    {
        foreach (var t in inputs.Values)
            t.requires_grad_(true);
        var y = f(inputs);
        var dy = y.numel() == 1 ? torch.ones_like(y) : torch.randn(y.shape);
        y.backward([dy]);
        return new
        {
            name,
            config,
            ints,
            inputs = inputs.ToDictionary(k => k.Key, k => T(k.Value)),
            output = T(y),
            outputGrad = T(dy),
            grads = inputs.ToDictionary(k => k.Key, k => T(k.Value.grad!)),
        };
    }

    static object Layers()
    {
        var ops = new List<object>
        {
            Op(
                "linear",
                null,
                new()
                {
                    ["x"] = torch.randn(5, 7),
                    ["weight"] = torch.randn(3, 7),
                    ["bias"] = torch.randn(3),
                },
                i => F.linear(i["x"], i["weight"], i["bias"])
            ),
            Op("relu", null, new() { ["x"] = torch.randn(4, 9) }, i => F.relu(i["x"])),
            Op("gelu", new { approximate = "none" }, new() { ["x"] = torch.randn(4, 9) * 3 }, i => F.gelu(i["x"])),
            Op(
                "gelu",
                new { approximate = "tanh" },
                new() { ["x"] = torch.randn(4, 9) * 3 },
                i =>
                {
                    var x = i["x"];
                    return 0.5f * x * (1 + torch.tanh(MathF.Sqrt(2 / MathF.PI) * (x + 0.044715f * x.pow(3))));
                }
            ),
            Op(
                "layernorm",
                new { eps = 1e-5 },
                new()
                {
                    ["x"] = torch.randn(4, 11),
                    ["weight"] = torch.randn(11),
                    ["bias"] = torch.randn(11),
                },
                i => F.layer_norm(i["x"], [11], i["weight"], i["bias"], 1e-5)
            ),
            Op(
                "maxpool2d",
                new { kernel = 2, stride = 2 },
                new() { ["x"] = torch.randn(2, 3, 6, 6) },
                i => F.max_pool2d(i["x"], 2, 2)
            ),
            Op(
                "avgpool2d",
                new { kernel = 2, stride = 2 },
                new() { ["x"] = torch.randn(2, 3, 6, 6) },
                i => F.avg_pool2d(i["x"], 2, 2)
            ),
            Op(
                "mse",
                null,
                new() { ["x"] = torch.randn(5, 3), ["target"] = torch.randn(5, 3) },
                i => F.mse_loss(i["x"], i["target"])
            ),
            Op("softmax", new { dim = -1 }, new() { ["x"] = torch.randn(3, 8) * 4 }, i => F.softmax(i["x"], -1)),
            Op(
                "attention",
                new
                {
                    causal = true,
                    scale = "1/sqrt(headDim)",
                    layout = "batch,heads,seq,headDim",
                },
                new()
                {
                    ["q"] = torch.randn(2, 2, 5, 4),
                    ["k"] = torch.randn(2, 2, 5, 4),
                    ["v"] = torch.randn(2, 2, 5, 4),
                },
                i => F.scaled_dot_product_attention(i["q"], i["k"], i["v"], is_casual: true)
            ),
        };
        foreach (
            var (stride, pad, dil, k) in new[]
            {
                (1, 0, 1, 3),
                (1, 1, 1, 3),
                (2, 1, 1, 3),
                (2, 2, 1, 5),
                (1, 2, 2, 3),
                (1, 0, 1, 1),
            }
        )
            ops.Add(
                Op(
                    "conv2d",
                    new
                    {
                        stride,
                        padding = pad,
                        dilation = dil,
                        kernel = k,
                    },
                    new()
                    {
                        ["x"] = torch.randn(2, 3, 9, 8),
                        ["weight"] = torch.randn(4, 3, k, k),
                        ["bias"] = torch.randn(4),
                    },
                    i =>
                        F.conv2d(
                            i["x"],
                            i["weight"],
                            i["bias"],
                            strides: [stride, stride],
                            padding: [pad, pad],
                            dilation: [dil, dil]
                        )
                )
            );
        {
            var idx = torch.tensor(new long[] { 0, 4, 4, 2, 6, 1 });
            ops.Add(
                Op(
                    "embedding",
                    null,
                    new() { ["weight"] = torch.randn(7, 5) },
                    i => i["weight"].index_select(0, idx),
                    new() { ["indices"] = [0, 4, 4, 2, 6, 1] }
                )
            );
            var tgt = torch.tensor(new long[] { 0, 3, 8, 1, 5 });
            ops.Add(
                Op(
                    "cross_entropy",
                    new { reduction = "mean" },
                    new() { ["x"] = torch.randn(5, 9) * 5 },
                    i => F.cross_entropy(i["x"], tgt),
                    new() { ["targets"] = [0, 3, 8, 1, 5] }
                )
            );
            var x = torch.randn(6, 3, 4, 4);
            var rm = torch.zeros(3);
            var rv = torch.ones(3);
            ops.Add(
                Op(
                    "batchnorm2d",
                    new
                    {
                        eps = 1e-5,
                        momentum = 0.1,
                        training = true,
                    },
                    new()
                    {
                        ["x"] = x,
                        ["weight"] = torch.randn(3),
                        ["bias"] = torch.randn(3),
                    },
                    i => F.batch_norm(i["x"], rm, rv, i["weight"], i["bias"], true, 0.1, 1e-5)
                )
            );
            ops.Add(
                new
                {
                    name = "batchnorm2d_running",
                    runningMean = A(rm),
                    runningVar = A(rv),
                }
            );
        }
        return new { source = "libtorch 2.10.0 CPU float32", ops };
    }
}
