using System.Globalization;
using NativeAmp.TorchSharp;
using NativeAmp.TorchSharp.Benchmarks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

// A step of TorchSharp's AdamW in turns with the fused one's, over the same number of parameters in 10, 100 and 1,000
// tensors: medians. Arguments: parameters in all, turns. Both take the threads that OMP_NUM_THREADS says.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
long parameters = args.Length > 0 ? long.Parse(args[0], CultureInfo.InvariantCulture) : 10_000_000;
int turns = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 31;
Console.WriteLine(
    $"{parameters:N0} parameters, AdamW with weight decay, {torch.get_num_threads()} threads, {turns} turns; ms a step (KiB of managed memory)"
);
Console.WriteLine("tensors  type      TorchSharp         fused              with a scaler      TorchSharp / fused");
foreach (ScalarType type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
{
    foreach (int tensors in new[] { 10, 100, 1000 })
    {
        using DisposeScope scope = NewDisposeScope();
        using optim.Optimizer theirs = optim.AdamW(Make(tensors, type), weight_decay: 0.01);
        using var ours = new FusedAdamW(Make(tensors, type), weight_decay: 0.01);
        using var scaled = new FusedAdamW(Make(tensors, type), weight_decay: 0.01);
        using var scaler = new GradScaler(growth_interval: int.MaxValue - 1);

        Measured[] measured = Turns.Measure(
            turns,
            () => theirs.step(),
            () => ours.step(),
            () =>
            {
                scaler.step(scaled);
                scaler.update();
            }
        );
        Console.WriteLine(
            $"{tensors, 7}  {type, -8}  {measured[0], -17}  {measured[1], -17}  {measured[2], -17}  "
                + $"{measured[0].Milliseconds / measured[1].Milliseconds:0.0}"
        );
    }
}

Parameter[] Make(int tensors, ScalarType type)
{
    Parameter[] made =
    [
        .. Enumerable.Range(0, tensors).Select(_ => new Parameter(randn(parameters / tensors).to_type(type))),
    ];
    foreach (Parameter parameter in made)
        parameter.grad = randn_like(parameter);
    return made;
}
