// A training loop of one's own in FP16: which of three spiral arms is a point on? With two backward passes a step, so
// that the batch may be larger than memory, clipping, a schedule, and the model saved and loaded again.
using System.Globalization;
using NativeAmp;
using NativeAmp.Training;

const int Steps = 400;
const int Batch = 64;
using var device = Device.Best();
var draw = new RandomGenerator(1);
using var model = Network().To(device);
using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 5e-3f, WeightDecay = 0.01f });
optimizer.Scheduler = LearningRateSchedule.LinearWarmup(20, LearningRateSchedule.Cosine(Steps - 20));
using var scaler = new GradScaler(device, GradScalerOptions.PyTorch);
var random = new Random(1);

for (int step = 1; step <= Steps; step++)
{
    using var scope = TensorScope.Enter(); // gives the step's tensors back at its end
    for (int part = 0; part < 2; part++)
    {
        var (points, arms) = Points();
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            Tensor loss = Loss.CrossEntropy(model.Forward(points), arms) / 2; // gradients add up over the parts
            scaler.Scale(loss).Backward();
        }
    }
    optimizer.ClipGradNorm(1);
    StepResult result = scaler.Step(optimizer);
    scaler.Update();
    optimizer.ZeroGrad();
    if (step % 100 == 0) // reading waits for the device; nothing else does
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"step {step}: norm {result.Read().GradientNorm:F3}")
        );
}

model.Save("spirals.safetensors");
using var loaded = Network().To(device);
loaded.Load("spirals.safetensors");
loaded.Eval();
using (NoGrad.Enter())
{
    var (points, arms) = Points();
    int[] found = Ops.ArgMax(loaded.Forward(points)).ToArray<int>();
    double share = found.Zip(arms.ToArray<int>()).Count(pair => pair.First == pair.Second) / (double)Batch;
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"right: {share:P1}"));
}

Sequential Network() =>
    new(
        new Linear(2, 64, random: draw),
        new Gelu(),
        new Linear(64, 64, random: draw),
        new Gelu(),
        new Linear(64, 3, random: draw)
    );

(Tensor Points, Tensor Arms) Points()
{
    var points = new float[Batch * 2];
    var arms = new int[Batch];
    for (int i = 0; i < Batch; i++)
    {
        arms[i] = random.Next(3);
        double radius = 0.1 + 0.9 * random.NextDouble();
        double angle = 4 * radius + 2 * Math.PI * arms[i] / 3;
        (points[2 * i], points[2 * i + 1]) = ((float)(radius * Math.Cos(angle)), (float)(radius * Math.Sin(angle)));
    }
    return (Tensor.From(device, points, [Batch, 2]), Tensor.From(device, arms, [Batch]));
}
