// Two networks against each other, with an optimizer each and one scaler in FP16: the generator learns to make points
// on a circle, the critic to tell them from true ones (least squares: true ones are 1, made ones 0).
using System.Globalization;
using NativeAmp;
using NativeAmp.Training;

using var device = Device.Best();
var draw = new RandomGenerator(1);
using var generator = new Sequential(Layer(2, 64), new Gelu(), Layer(64, 64), new Gelu(), Layer(64, 2)).To(device);
using var critic = new Sequential(Layer(2, 64), new Gelu(), Layer(64, 64), new Gelu(), Layer(64, 1)).To(device);
using var generatorSteps = new FusedAdam(
    generator.Parameters(),
    new AdamOptions { LearningRate = 1e-3f, Beta1 = 0.5f }
);
using var criticSteps = new FusedAdam(critic.Parameters(), new AdamOptions { LearningRate = 2e-3f, Beta1 = 0.5f });
using var scaler = new GradScaler(device, GradScalerOptions.PyTorch);
var policy = PrecisionPolicy.Parse("params=float32,compute=float16,loss=float32");

const int Count = 256;
using var ones = Tensor.From(device, Enumerable.Repeat(1f, Count).ToArray(), [Count, 1]);
using var zeros = Tensor.Zeros(device, DType.Float32, [Count, 1]);
var random = new Random(1);
for (int step = 1; step <= 600; step++)
{
    using var scope = TensorScope.Enter();
    using var truth = Tensor.From(device, Circle(), [Count, 2]);
    using var noise = Tensor.From(device, Noise(), [Count, 2]);
    using (Autocast.Enter(policy))
    {
        Tensor made = generator.Forward(noise);
        // Detached: the critic's loss is none of the generator's business.
        Tensor criticLoss =
            Loss.MeanSquaredError(critic.Forward(truth), ones)
            + Loss.MeanSquaredError(critic.Forward(made.Detach()), zeros);
        scaler.Scale(criticLoss).Backward();
        scaler.Step(criticSteps);
        criticSteps.ZeroGrad();

        Tensor generatorLoss = Loss.MeanSquaredError(critic.Forward(made), ones);
        scaler.Scale(generatorLoss).Backward();
        scaler.Step(generatorSteps);
        generatorSteps.ZeroGrad();
        criticSteps.ZeroGrad(); // the backward pass went through the critic too
    }
    scaler.Update(); // once, after both
    if (step % 200 == 0)
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"step {step}: radius {MeanRadius():F3} of 1"));
}

Linear Layer(int inputs, int outputs) => new(inputs, outputs, random: draw);

float[] Noise() => [.. Enumerable.Range(0, 2 * Count).Select(_ => random.NextSingle() * 2 - 1)];

float[] Circle() =>
    [
        .. Enumerable
            .Range(0, Count)
            .Select(_ => random.NextDouble() * 2 * Math.PI)
            .SelectMany(angle => new[] { (float)Math.Cos(angle), (float)Math.Sin(angle) }),
    ];

float MeanRadius()
{
    using var off = NoGrad.Enter();
    using var noise = Tensor.From(device, Noise(), [Count, 2]);
    return generator
        .Forward(noise)
        .ToFloats()
        .Chunk(2)
        .Average(point => MathF.Sqrt(point[0] * point[0] + point[1] * point[1]));
}
