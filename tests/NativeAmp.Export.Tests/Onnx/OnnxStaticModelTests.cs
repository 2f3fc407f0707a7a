using NativeAmp.Onnx;
using NativeAmp.Training;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Export.Tests.Onnx;

/// <summary>
/// Models whose inputs become integers by scales of a calibration give in ONNX Runtime the outputs that they give here.
/// A layer by itself has the same codes there, and its output is within 3e-6 of the largest. Behind other layers a
/// value that lies half-way between two codes may get the other one: a network is within 2e-2 of its largest output.
/// </summary>
public class OnnxStaticModelTests
{
    private const int Samples = 1000;

    private static readonly QuantizationScheme Scheme = new() { Kind = QuantizationKind.Int8Static };

    [Test]
    public void A_layer_has_the_same_codes([Values] bool positive)
    {
        float[] numbers = Numbers(Samples * 4 * 5 * 5, positive);
        using Sequential linear = new Sequential(new Linear(100, 7, random: new RandomGenerator(1))).To(Processor.Cpu);
        using Sequential convolution = new Sequential(
            new Conv2d(4, 6, kernel: 3, stride: 2, padding: 2, dilation: 2, groups: 2, random: new RandomGenerator(2)),
            new Relu()
        ).To(Processor.Cpu);

        Holds(linear, numbers, [Samples, 100], 3e-6);
        Holds(convolution, numbers, [Samples, 4, 5, 5], 3e-6);
    }

    [Test]
    public void Cnn_and_mlp_and_a_folded_batch_norm_give_our_outputs_for_1000_images()
    {
        float[] images = Numbers(Samples * 144, positive: true);
        using Sequential cnn = Models.Cnn(new RandomGenerator(7), height: 12, width: 12).To(Processor.Cpu);
        using Sequential mlp = Models.Mlp(new RandomGenerator(7), inputs: 144).To(Processor.Cpu);
        using Sequential normed = new Sequential(
            new Conv2d(1, 8, kernel: 3, random: new RandomGenerator(8)),
            new BatchNorm2d(8),
            new Relu(),
            new Conv2d(8, 4, kernel: 3, random: new RandomGenerator(9))
        ).To(Processor.Cpu);
        ((BatchNorm2d)normed[1]).RunningMean.CopyFrom<float>(Numbers(8, positive: false));
        ((BatchNorm2d)normed[1]).RunningVariance.CopyFrom<float>(Numbers(8, positive: true));

        Holds(cnn, images, [Samples, 1, 12, 12], 2e-2);
        Holds(mlp, images, [Samples, 144], 2e-2);
        Holds(normed, images, [Samples, 1, 12, 12], 2e-2);
    }

    private static float[] Numbers(int count, bool positive)
    {
        var random = new Random(count);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - (positive ? 0 : 0.5f))];
    }

    private static void Holds(Sequential model, float[] input, int[] shape, double tolerance)
    {
        var whole = new Shape([.. shape.Select(size => (long)size)]);
        var sample = new Shape([.. shape.Skip(1).Select(size => (long)size)]);
        model.Eval();
        using var folder = new ScratchFolder();
        Quantizer.Quantize(model, Scheme, each => OnnxRuntimeTests.Forward(each, input, whole));

        OnnxExport.Save(model, sample, folder.File("static.onnx"));

        float[] ours = OnnxRuntimeTests.Forward(model, input, whole);
        using var exported = new OnnxModel(folder.File("static.onnx"));
        OnnxRuntimeTests.Tell(OnnxRuntimeTests.Agree(exported.Run(input, shape), ours, tolerance));
    }
}
