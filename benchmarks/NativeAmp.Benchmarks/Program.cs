using BenchmarkDotNet.Running;
using NativeAmp.Benchmarks;

// plots FOLDER: bandwidth against size. overhead: what FusedAdam.Step costs beyond its kernels.
// tensors: one tensor in turns with many of the same total. --smoke: every class once, at small sizes. Else BenchmarkDotNet's own arguments.
switch (args)
{
    case [.., "plots", var folder]:
        BandwidthPlots.Write(folder);
        return 0;
    case [.., "overhead"]:
        OverheadReport.Write();
        return 0;
    case [.., "tensors"]:
        TensorCountReport.Write();
        return 0;
    case [.., "--smoke"]:
        Scenario.Smoke = true;
        var summaries = BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(["--filter", "*"], BenchmarkConfig.Smoke);
        return Smoke.Check(summaries);
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(args, BenchmarkConfig.Full);
        return 0;
}
