using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Quantization;
using static NativeAmp.Training.Tests.Quantization.StaticQuantizationTests;

namespace NativeAmp.Training.Tests.Quantization;

/// <summary>Convolutions that take batch norms over give the same outputs, within 1e-5 of the largest.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class BatchNormFoldingTests(DeviceKind deviceKind) : FolderTests
{
    private static readonly QuantizationScheme Scheme = new() { Kind = QuantizationKind.Int8Static };
    private static readonly Shape Images = [3, 2, 6, 6];
    private static readonly float[] Pixels = Input(3 * 2 * 36, positive: false);

    [Test]
    public void Outputs_stay_the_same([Values] bool bias)
    {
        using Device device = deviceKind.Open();
        using Sequential model = Network(1, bias).To(device);
        model.Eval();
        float[] before = Forward(model, device, Pixels, Images);

        BatchNormReport report = BatchNormFolding.Fold(model);

        float[] after = Forward(model, device, Pixels, Images);
        float largest = before.Max(Math.Abs);
        Assert.Multiple(() =>
        {
            Assert.That(before.Zip(after, (x, y) => Math.Abs(x - y)).Max(), Is.LessThan(1e-5 * largest));
            Assert.That(
                report.Folded.Select(each => (each.Name, each.Convolution)),
                Is.EqualTo(new[] { ("1", "0"), ("3.1", "3.0") })
            );
            Assert.That(report.Kept, Is.Empty);
            Assert.That(
                model.State().Select(each => each.Name),
                Is.EquivalentTo(new[] { "0.weight", "0.bias", "3.0.weight", "3.0.bias", "5.weight", "5.bias" })
            );
            Assert.That(() => ((BatchNorm2d)model[1]).RunningMean, Throws.InvalidOperationException);
            Assert.That(BatchNormFolding.Fold(model).Folded, Is.Empty);
        });
    }

    [Test]
    public void What_follows_a_convolution_in_nobodys_chain_stays_with_its_reason()
    {
        using Device device = deviceKind.Open();
        var shared = new Conv2d(2, 2, kernel: 1);
        var apart = new BatchNorm2d(2);
        using Sequential model = new Sequential(
            new BatchNorm2d(2),
            shared,
            new BatchNorm2d(2),
            shared,
            new Relu(),
            apart,
            new Conv2d(2, 2, kernel: 1),
            apart,
            new Widened()
        ).To(device);
        model.Eval();
        float[] before = Forward(model, device, Pixels, Images);

        BatchNormReport report = BatchNormFolding.Fold(model);

        Assert.Multiple(() =>
        {
            Assert.That(report.Folded, Is.Empty);
            Assert.That(report.Kept.Select(each => each.Name), Is.EqualTo(new[] { "0", "2", "5", "7", "8.own.norm" }));
            Assert.That(report.Kept[0].Reason, Is.EqualTo("it does not follow a convolution in a Sequential"));
            Assert.That(report.Kept[1].Reason, Is.EqualTo("it or '1' is in several places of the model"));
            Assert.That(report.Kept[3].Reason, Is.EqualTo("it or '6' is in several places of the model"));
            Assert.That(report.Kept[4].Reason, Is.EqualTo("it does not follow a convolution in a Sequential"));
            Assert.That(Forward(model, device, Pixels, Images), Is.EqualTo(before));
        });
    }

    /// <summary>A module around one that calls its parts in an order of its own.</summary>
    private sealed class Widened : Module
    {
        private readonly Conv2d _widen;
        private readonly NormBeforeConvolution _own;

        public Widened()
        {
            _widen = Register("widen", new Conv2d(2, 4, kernel: 1));
            _own = Register("own", new NormBeforeConvolution());
        }

        public override Tensor Forward(Tensor input) => _own.Call(_widen.Call(input));
    }

    /// <summary>Its batch norm is registered after its convolution, and computes before it.</summary>
    private sealed class NormBeforeConvolution : Module
    {
        private readonly Conv2d _convolution;
        private readonly BatchNorm2d _norm;

        public NormBeforeConvolution()
        {
            _convolution = Register("convolution", new Conv2d(4, 4, kernel: 1));
            _norm = Register("norm", new BatchNorm2d(4));
        }

        public override Tensor Forward(Tensor input) => _convolution.Call(_norm.Call(input));
    }

    [Test]
    public void The_quantizer_folds_and_files_say_so()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Network(1, bias: false).To(device);
        using Sequential folded = Network(1, bias: false).To(device);
        using Sequential other = Network(2, bias: false).To(device);
        string path = Path.Combine(Folder, "model.safetensors");
        Assert.That(
            () => Quantizer.Quantize(model, Scheme, each => Forward(each, device, Pixels, Images)),
            Throws.InvalidOperationException.With.Message.Contains("model.Eval()")
        );
        model.Eval();
        folded.Eval();
        BatchNormFolding.Fold(folded);

        QuantizationReport report = Quantizer.Quantize(model, Scheme, each => Forward(each, device, Pixels, Images));
        QuantizedFile.Save(model, path, Scheme);
        QuantizationScheme read = QuantizedFile.Load(other, path);
        Quantizer.Quantize(folded, Scheme, each => Forward(each, device, Pixels, Images));

        Assert.Multiple(() =>
        {
            Assert.That(report.BatchNorms.Folded.Select(each => each.Name), Is.EqualTo(new[] { "1", "3.1" }));
            Assert.That(((Conv2d)model[0]).Quantized!.Codes, Is.EqualTo(((Conv2d)folded[0]).Quantized!.Codes));
            Assert.That(Forward(other, device, Pixels, Images), Is.EqualTo(Forward(model, device, Pixels, Images)));
            Assert.That(read with { Keep = [] }, Is.EqualTo(Scheme with { Keep = [] }));
            Assert.That(new FileInfo(path).Length, Is.GreaterThan(report.BytesAfter));
        });

        // A model without these batch norms does not fit, and is left as it is.
        using Sequential plain = new Sequential(new Conv2d(2, 4, kernel: 3, padding: 1), new Relu()).To(device);
        float[] before = Forward(plain, device, Pixels, Images);
        Assert.That(
            () => QuantizedFile.Load(plain, path),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains("no batch norm '1'")
        );
        Assert.That(Forward(plain, device, Pixels, Images), Is.EqualTo(before));
    }

    [Test]
    public void A_kept_convolution_keeps_its_batch_norm()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Network(1, bias: true).To(device);
        model.Eval();

        QuantizationReport report = Quantizer.Quantize(
            model,
            Scheme with
            {
                Keep = ["0"],
            },
            each => Forward(each, device, Pixels, Images)
        );

        Assert.Multiple(() =>
        {
            Assert.That(report.BatchNorms.Folded.Select(each => each.Name), Is.EqualTo(new[] { "3.1" }));
            Assert.That(report.BatchNorms.Kept.Single().Reason, Is.EqualTo("'0' is kept"));
            Assert.That(((Conv2d)model[0]).Quantized, Is.Null);
        });
    }

    [Test]
    public void Values_that_overflow_or_belong_to_an_optimizer_are_refused_and_nothing_changes()
    {
        using Device device = deviceKind.Open();
        using Sequential model = Network(1, bias: true).To(device);
        model.Eval();
        using (var optimizer = new FusedAdam(model.Parameters(), new AdamOptions()))
            Assert.That(() => BatchNormFolding.Fold(model), Throws.InvalidOperationException);
        ((BatchNorm2d)((Sequential)model[3])[1]).Weight.CopyFrom<float>([1, float.MaxValue, 1]);
        ((BatchNorm2d)((Sequential)model[3])[1]).RunningVariance.CopyFrom<float>([1, 1e-20f, 1]);
        float[] state = [.. model.State().SelectMany(each => each.Values.ToArray<float>())];

        Assert.That(
            () => BatchNormFolding.Fold(model),
            Throws.ArgumentException.With.Message.Contains("'3.0'").And.Message.Contains("not finite")
        );

        Assert.That(model.State().SelectMany(each => each.Values.ToArray<float>()), Is.EqualTo(state));
    }

    // Convolution, batch norm and ReLU, twice, the second in a chain of its own; then one more convolution.
    private static Sequential Network(ulong seed, bool bias)
    {
        var random = new RandomGenerator(seed);
        var model = new Sequential(
            new Conv2d(2, 4, kernel: 3, padding: 1, bias: bias, random: random),
            new BatchNorm2d(4),
            new Relu(),
            new Sequential(
                new Conv2d(4, 3, kernel: 3, stride: 2, bias: bias, random: random),
                new BatchNorm2d(3, epsilon: 1e-3f)
            ),
            new Relu(),
            new Conv2d(3, 2, kernel: 1, random: random)
        );
        int i = (int)seed;
        foreach (BatchNorm2d norm in (BatchNorm2d[])[(BatchNorm2d)model[1], (BatchNorm2d)((Sequential)model[3])[1]])
        {
            int channels = (int)norm.Weight.Count;
            norm.Weight.CopyFrom<float>(QuantizerTests.Values(channels, i++));
            norm.Bias.CopyFrom<float>(QuantizerTests.Values(channels, i++));
            norm.RunningMean.CopyFrom<float>(QuantizerTests.Values(channels, i++));
            norm.RunningVariance.CopyFrom<float>([
                .. QuantizerTests.Values(channels, i++).Select(value => Math.Abs(value) + 0.1f),
            ]);
        }

        return model;
    }
}
