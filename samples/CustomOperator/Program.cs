using NativeAmp;
using NativeAmp.Training;
using SiluSample;

// A network with a custom operator learns the sign of a sum.
using var device = Device.Cpu();
var random = new RandomGenerator(1);
using var model = new Sequential(
    new Linear(4, 16, random: random),
    new OwnSiluLayer(),
    new Linear(16, 2, random: random)
).To(device);
using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-2 });
var data = new Random(1);
for (int step = 1; step <= 200; step++)
{
    float[] inputs = [.. Enumerable.Range(0, 64 * 4).Select(_ => (float)(data.NextDouble() * 2 - 1))];
    int[] targets = [.. inputs.Chunk(4).Select(row => row.Sum() > 0 ? 1 : 0)];
    using TensorScope scope = TensorScope.Enter();
    using Tensor x = Tensor.From(device, inputs, [64, 4]);
    using Tensor y = Tensor.From(device, targets, [64]);
    Tensor loss = Loss.CrossEntropy(model.Forward(x), y);
    loss.Backward();
    optimizer.Step();
    optimizer.ZeroGrad();
    if (step % 50 == 0)
        Console.WriteLine($"step {step}: loss {loss.Item():F4}");
}
