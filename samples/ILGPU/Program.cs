using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using NativeAmp;
using NativeAmp.ILGPU;
using Device = NativeAmp.Device; // ILGPU.Runtime has a Device too
using Floats = ILGPU.ArrayView<float>;
using Half = ILGPU.Half;
using Halves = ILGPU.ArrayView<ILGPU.Half>;

// A line through points. The kernel and all memory are ILGPU's, in half precision. NativeAmp keeps the loss scale,
// checks the gradients and steps float32 weights, in ILGPU's own buffers.
const int Points = 256;
const int Steps = 300;

using var context = Context.Create(builder => builder.DefaultCPU());
using var accelerator = context.CreateCPUAccelerator(0);
using Device device = accelerator.OpenDevice();

float[] x = [.. Enumerable.Range(0, Points).Select(i => 2f * i / Points - 1)];
using var xs = accelerator.Allocate1D(x);
using var ys = accelerator.Allocate1D(Array.ConvertAll(x, value => 3 * value - 0.5f));
using var weights = accelerator.Allocate1D(new float[2]); // what the optimizer updates
using var halves = accelerator.Allocate1D(new Half[2]); // what the kernel reads: the optimizer's copy
using var gradient = accelerator.Allocate1D<Half>(2);

var line = new MemoryParameter("line", device, weights.ToCell(device, 2), 2)
{
    ComputeCopy = halves.ToCell(device, 2),
    Gradient = gradient.ToCell(device, 2),
};
using var optimizer = new FusedAdam([line], new AdamOptions { LearningRate = 0.05 });
using var scaler = new GradScaler(device);

var backward = accelerator.LoadAutoGroupedStreamKernel<Index1D, Floats, Floats, Halves, Halves, float>(Line.Backward);
int skipped = 0;
for (int step = 0; step < Steps; step++)
{
    float scale = scaler.GetScale();
    backward(2, xs.AsContiguous(), ys.AsContiguous(), halves.AsContiguous(), gradient.AsContiguous(), scale);
    if (scaler.Step(optimizer).Read().Skipped)
        skipped++;
    scaler.Update();
}
float[] found = weights.GetAsArray1D();
Console.WriteLine(FormattableString.Invariant($"y = {found[0]:F2} x + {found[1]:F2}, {skipped} steps skipped"));

internal static class Line
{
    /// <summary>The scaled gradient of the mean squared error by one of the two weights.</summary>
    public static void Backward(Index1D weight, Floats x, Floats y, Halves line, Halves gradient, float scale)
    {
        float sum = 0;
        for (long i = 0; i < x.Length; i++)
            sum += ((float)line[0] * x[i] + (float)line[1] - y[i]) * (weight == 0 ? x[i] : 1);
        gradient[weight] = (Half)(2 * scale * sum / x.Length);
    }
}
