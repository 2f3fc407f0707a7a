using BenchmarkDotNet.Running;
using NativeAmp.Benchmarks;

// plots FOLDER: bandwidth against size. overhead: the cost of FusedAdam.Step beyond its kernels. tensors: one tensor in
// turns with many of the same total. onednn: training steps without oneDNN, in turns with the same with it. onednn
// networks [BATCHES [TEXT]]: two networks' convolutions likewise, or those whose rows have the text. integers: linear
// layers and convolutions of integers, in turns with float32's, and with reading. integers thread: the layers by one
// thread's time. integers libraries: their products in turns with oneDNN's and ONNX Runtime's. recorded gpt VOCABULARY,
// recorded convolutions: work once on the emulated GPU, for ./build.sh gpu-report --steps.
// --smoke: every class and report once, at small sizes. Else BenchmarkDotNet's own arguments.
switch (args)
{
    case [.., "plots", var folder]:
        // From the first-level cache to well beyond the third.
        BandwidthPlots.Write(folder, [.. Enumerable.Range(12, 15).Select(bits => 1L << bits)], secondsAPoint: 0.4);
        return 0;
    case [.., "overhead"]:
        OverheadReport.Write([1, 10, 100, 1000, 10000], secondsARow: 3);
        return 0;
    case [.., "tensors"]:
        TensorCountReport.Write(64 << 20, [1, 100, 1000], secondsARow: 5);
        return 0;
    case [.., "onednn"]:
        LibraryReport.Write(secondsARow: 20);
        return 0;
    case [.., "onednn", "networks"]:
        NetworkConvolutions.Write([1, 8, 32], secondsACell: 0.1);
        return 0;
    case [.., "onednn", "networks", var batches]:
        NetworkConvolutions.Write([.. batches.Split(',').Select(int.Parse)], secondsACell: 0.1);
        return 0;
    case [.., "onednn", "networks", var batches, var text]:
        NetworkConvolutions.Write([.. batches.Split(',').Select(int.Parse)], secondsACell: 0.1, text);
        return 0;
    case [.., "integers"]:
        IntegerReport.Write(width: 2048, [1, 256], threads: 2, secondsARow: 4);
        ConvolutionReport.Write(images: 32, threads: 2, secondsARow: 4);
        return 0;
    case [.., "integers", "thread"]:
        IntegerReport.Write(width: 2048, [1, 256], threads: 1, secondsARow: 1);
        return 0;
    case [.., "integers", "libraries"]:
        IntegerLibraries.Write(
            [(512, 512), (2048, 2048), (2048, 8192)],
            [1, 8, 64, 256],
            threads: [1, 2],
            secondsACell: 0.5
        );
        return 0;
    case [.., "recorded", "gpt", var vocabulary]:
        RecordedWork.Gpt(int.Parse(vocabulary), batch: 8);
        return 0;
    case [.., "recorded", "convolutions"]:
        RecordedWork.Convolutions(batch: 32);
        return 0;
    case [.., "--smoke"]:
        return Smoke.Run();
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Smoke).Assembly).Run(args, BenchmarkConfig.Full);
        return 0;
}
