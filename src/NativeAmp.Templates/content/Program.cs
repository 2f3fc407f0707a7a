using NativeAmp;
using NativeAmp.Training;

// Two spirals, one of each class, wind around each other; the network learns which of them a point lies on.

using var device = Device.Best(); // an NVIDIA GPU if its driver is there, else the CPU
var random = new RandomGenerator(1);

// To change: the network.
using var model = new Sequential(
    new Linear(2, 64, random: random),
    new Gelu(),
    new Linear(64, 64, random: random),
    new Gelu(),
    new Linear(64, 2, random: random)
).To(device);

// To change: the precision. compute=float32 for none, compute=bfloat16 where a large range matters more than digits.
var policy = PrecisionPolicy.Parse("params=float32,compute=float16,loss=float32");

using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 3e-3f });
using var scaler = new GradScaler(device, GradScalerOptions.PyTorch);

var data = new Random(1);
for (int step = 1; step <= 600; step++)
{
    using var scope = TensorScope.Enter(); // tensors of the step are released at its end
    var (points, classes) = NextBatch(data, 256);
    using var inputs = Tensor.From(device, points, [256, 2]);
    using var labels = Tensor.From(device, classes, [256]);

    using (Autocast.Enter(policy))
    {
        var loss = Loss.CrossEntropy(model.Forward(inputs), labels);
        scaler.Scale(loss).Backward();
        if (step % 100 == 0)
            Console.WriteLine($"step {step}: loss {loss.Item():F4}");
    }
    scaler.Step(optimizer); // skipped where a gradient is not finite
    scaler.Update();
    optimizer.ZeroGrad();
}

using (NoGrad.Enter()) // no gradients are needed here
{
    var (points, classes) = NextBatch(new Random(2), 1000);
    using var inputs = Tensor.From(device, points, [1000, 2]);
    float[] logits = model.Forward(inputs).ToFloats();
    int right = Enumerable.Range(0, 1000).Count(i => logits[2 * i + 1] > logits[2 * i] == (classes[i] == 1));
    Console.WriteLine($"accuracy on 1000 new points: {right / 10.0:F1} %");
}

// To change: the data. A batch is an array of floats, row by row, and the number of each row's class.
static (float[] Points, int[] Classes) NextBatch(Random random, int count)
{
    float[] points = new float[2 * count];
    int[] classes = new int[count];
    for (int i = 0; i < count; i++)
    {
        classes[i] = random.Next(2);
        double along = random.NextDouble();
        double angle = along * 3 * Math.PI + classes[i] * Math.PI;
        points[2 * i] = (float)(along * Math.Cos(angle) + 0.02 * random.NextDouble());
        points[2 * i + 1] = (float)(along * Math.Sin(angle) + 0.02 * random.NextDouble());
    }
    return (points, classes);
}
