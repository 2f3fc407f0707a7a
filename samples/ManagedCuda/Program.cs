using ManagedCuda;
using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;
using NativeAmp;
using NativeAmp.ManagedCuda;

// A linear regression. Memory, stream and products are ManagedCuda's; loss, loss scale and optimizer are NativeAmp's,
// on the same memory and the same stream: nothing is copied, and only reading the loss waits.
const int Rows = 64;
const int Features = 4;
const int Steps = 200;

using var context = new PrimaryContext(0); // or a CudaContext: a context of its own
context.SetCurrent();
using Device device = context.OpenDevice();
using var stream = new CudaStream();
using var scope = device.Use(device.BorrowStream(stream));
var blas = new CudaBlas(stream.Stream);

// Features lie column by column. The weights that give these answers are 1, 2, 3, 4.
var random = new Random(1);
float[] features = [.. Enumerable.Range(0, Rows * Features).Select(_ => random.NextSingle() * 2 - 1)];
float[] answers = new float[Rows];
for (int i = 0; i < features.Length; i++)
    answers[i % Rows] += features[i] * (i / Rows + 1);
using CudaDeviceVariable<float> x = features;
using CudaDeviceVariable<float> y = answers;
using CudaDeviceVariable<float> weights = new float[Features];
using CudaDeviceVariable<half> halves = new half[Features]; // the optimizer's float16 copy of the weights
using var gradient = new CudaDeviceVariable<float>(Features);
using var prediction = new CudaDeviceVariable<float>(Rows);
using var slope = new CudaDeviceVariable<float>(Rows);
using var loss = new CudaDeviceVariable<float>(1);

var parameter = new MemoryParameter("weights", device, weights.ToCell(device, Features), Features)
{
    Gradient = gradient.ToCell(device, Features),
    ComputeCopy = halves.ToCell(device, Features),
};
using var optimizer = new FusedAdam([parameter], new AdamOptions { LearningRate = 0.05 });
using var scaler = new GradScaler(device);
var error = new MeanSquaredErrorArguments
{
    Prediction = prediction.ToCell(device, Rows),
    Target = y.ToCell(device, Rows),
    Count = Rows,
    Loss = loss.ToCell(device, 1).Pointer,
    Gradient = slope.ToCell(device, Rows),
    Scale = scaler.ScalePointer,
};
for (int step = 0; step < Steps; step++)
{
    Multiply(Operation.NonTranspose, Rows, Features, weights, prediction);
    AmpKernels.MeanSquaredError(device, error);
    Multiply(Operation.Transpose, Features, Rows, slope, gradient);
    scaler.Step(optimizer);
    scaler.Update();
    if (step % 50 == 0 || step == Steps - 1)
        Console.WriteLine(FormattableString.Invariant($"step {step, 3}: loss {((float[])loss)[0]:F5}"));
}
string[] found = Array.ConvertAll((float[])weights, weight => FormattableString.Invariant($"{weight:F2}"));
Console.WriteLine($"weights {string.Join(' ', found)}");
blas.Dispose();

// x, or its transpose, times a vector.
void Multiply(Operation op, int rows, int inner, CudaDeviceVariable<float> vector, CudaDeviceVariable<float> result) =>
    blas.Gemm(op, Operation.NonTranspose, rows, 1, inner, 1, x, Rows, vector, inner, 0, result, rows);
