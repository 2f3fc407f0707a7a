namespace NativeAmp.Training.Tests.Devices;

/// <summary>
/// The launches of a training step of a GPT of the default depth, counted by the emulated GPU. What follows a product
/// is in its launch where the product is ours; around one of cuBLAS an activation, its slope, and a bias in fewer bits
/// than the sum are launches of their own.
/// </summary>
internal sealed class StepCostTests
{
    private static readonly int[] Tokens = [.. Enumerable.Range(0, 32).Select(i => i * i % 16)];

    [SetUp]
    public void Require() => EmulatedGpu.Require();

    // Products, and all launches with them.
    [TestCase(null, 51, 100)]
    [TestCase("none", 51, 92)]
    public void A_step_of_the_GPT_is_a_known_number_of_launches(string? cublas, int products, int launches)
    {
        using NativeVariable? library = cublas is null ? null : new("NATIVEAMP_CUBLAS_LIBRARY", cublas);
        using Device device = DeviceKind.Cuda.Open();
        var sizes = new GptOptions
        {
            Vocabulary = 16,
            Context = 8,
            Width = 16,
            Heads = 2,
        };
        using Module model = Models.Gpt(sizes, new RandomGenerator(3)).To(device);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-3 });
        using var scaler = new GradScaler(device);
        using Tensor tokens = Tensor.From(device, Tokens, [4, 8]);
        PrecisionPolicy policy = PrecisionPolicy.Float32.WithCompute(DType.BFloat16);
        Step();
        EmulatedGpu.ResetCounters();
        string[] record = EmulatedGpu.Record(Step);

        NampemuCounters counted = EmulatedGpu.Counters;
        ulong own = EmulatedGpu.LaunchesOf("gemm_bfloat16_");
        Assert.That(counted.Gemms + own, Is.EqualTo((ulong)products), "products");
        Assert.That(own > 0, Is.EqualTo(cublas == "none"), "whose");
        Assert.That(counted.Launches + counted.Gemms, Is.EqualTo((ulong)launches), "all");
        Assert.That(counted.HostWaits, Is.Zero);
        // The record that a model of time is made of (./build.sh gpu-report --steps) has the same.
        Assert.That(Lines("product"), Is.EqualTo(counted.Gemms), "recorded products");
        Assert.That(Lines("kernel"), Is.EqualTo(counted.Launches), "recorded launches");
        int ours = record.Count(line => line.Contains("\"name\": \"gemm_bfloat16_"));
        Assert.That(ours, Is.EqualTo((int)own), "recorded products of our own");

        ulong Lines(string kind) => (ulong)record.Count(line => line.Contains($"\"kind\": \"{kind}\""));

        void Step()
        {
            using (Autocast.Enter(policy))
            {
                Tensor loss = model.ClassLoss(tokens, tokens);
                scaler.Scale(loss).Backward();
            }

            optimizer.ClipGradNorm(1);
            scaler.Step(optimizer);
            scaler.Update();
            optimizer.ZeroGrad();
        }
    }
}
