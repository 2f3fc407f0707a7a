using NativeAmp.Onnx;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Modules;

/// <summary>Models in bfloat16 or float16: how they are made, computed with, read and written.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class HalfParameterTests(DeviceKind kind)
{
    private static readonly GptOptions Small = new()
    {
        Vocabulary = 7,
        Context = 4,
        Width = 8,
        Heads = 2,
        Blocks = 1,
    };

    private Device _device = null!;

    [SetUp]
    public void Open() => _device = kind.Open(1);

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void A_converted_model_has_rounded_values_but_for_norms_and_embeddings([Values] bool onDevice)
    {
        using Gpt drawn = Models.Gpt(Small, new RandomGenerator(3));
        using Gpt model = Models.Gpt(Small, new RandomGenerator(3));
        if (onDevice)
            model.To(_device).To(DType.BFloat16);
        else
            model.To(DType.BFloat16).To(_device);

        string[] wide = [.. model.Parameters().Where(each => each.DType == DType.Float32).Select(each => each.Name)];
        Assert.That(
            wide,
            Is.EquivalentTo(
                new[]
                {
                    "tokens.weight",
                    "positions",
                    "block0.norm1.weight",
                    "block0.norm1.bias",
                    "block0.norm2.weight",
                    "block0.norm2.bias",
                    "norm.weight",
                    "norm.bias",
                }
            )
        );
        foreach ((Parameter parameter, Parameter before) in model.Parameters().Zip(drawn.Parameters()))
        {
            float[] values = before.ToArray<float>();
            if (parameter.DType == DType.BFloat16)
                values = Array.ConvertAll(values, value => (float)(BFloat16)value);
            Assert.That(parameter.ToFloats(), Is.EqualTo(values), parameter.Name);
        }

        using var norm = new BatchNorm2d(2);
        norm.To(DType.Float16);
        Assert.That(norm.State().Select(each => each.Values.DType), Is.All.EqualTo(DType.Float32));
        model.To(DType.Float32);
        Assert.That(model.Parameters().Select(each => each.DType), Is.All.EqualTo(DType.Float32));
    }

    [TestCase(DType.BFloat16)]
    [TestCase(DType.Float16)]
    public void Operators_of_its_type_take_its_parameters_as_they_are(DType dtype)
    {
        using Linear half = new Linear(6, 3, random: new RandomGenerator(1)).To(dtype).To(_device);
        // The copies of these float32 parameters are equal to the half ones.
        using Linear whole = new Linear(6, 3, random: new RandomGenerator(1)).To(dtype).To(DType.Float32).To(_device);
        using Tensor input = Tensor.From(_device, Initializers.Normal(1)([4, 6], new RandomGenerator(2)), [4, 6]);
        long before = _device.MemoryStatistics.LiveBytes(MemoryKind.ComputeCopies);

        float[] loss = Backward(half);
        Assert.That(_device.MemoryStatistics.LiveBytes(MemoryKind.ComputeCopies), Is.EqualTo(before), "no copy");
        Assert.That(Backward(whole), Is.EqualTo(loss));
        foreach ((Parameter one, Parameter other) in half.Parameters().Zip(whole.Parameters()))
        {
            Assert.That(one.Gradient!.DType, Is.EqualTo(dtype));
            Assert.That(one.Gradient.ToFloats(), Is.EqualTo(other.Gradient!.ToFloats()));
        }

        float[] Backward(Linear layer)
        {
            using TensorScope scope = TensorScope.Enter();
            using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Float32.WithCompute(dtype));
            Tensor sum = Ops.Sum(layer.Forward(input));
            sum.Backward();
            return sum.ToFloats();
        }
    }

    [Test]
    public void Gradients_of_several_uses_add_up_in_float32()
    {
        using Linear layer = new Linear(2, 2, bias: false, random: new RandomGenerator(1))
            .To(DType.BFloat16)
            .To(_device);
        using Tensor input = Tensor.From(_device, [256f, 1], [1, 2]);
        using Tensor small = Tensor.From(_device, [1f, 256], [1, 2]);
        using (TensorScope.Enter())
        using (Autocast.Enter(PrecisionPolicy.BFloat16))
            Ops.Sum(Ops.Add(layer.Forward(input), layer.Forward(small))).Backward();
        // 257 has nine bits, one more than bfloat16 has.
        Assert.That(layer.Weight.Gradient!.DType, Is.EqualTo(DType.Float32));
        Assert.That(layer.Weight.Gradient.ToFloats(), Is.All.EqualTo(257f));
    }

    [Test]
    public void Without_autocast_a_float32_input_widens_them()
    {
        using Linear half = new Linear(6, 3, random: new RandomGenerator(1)).To(DType.BFloat16).To(_device);
        using Linear whole = new Linear(6, 3, random: new RandomGenerator(1)).To(DType.BFloat16).To(DType.Float32);
        whole.To(_device);
        using Tensor input = Tensor.From(_device, Initializers.Normal(1)([4, 6], new RandomGenerator(2)), [4, 6]);
        using TensorScope scope = TensorScope.Enter();
        Tensor output = half.Forward(input);
        Tensor expected = whole.Forward(input);
        Assert.That(output.ToFloats(), Is.EqualTo(expected.ToFloats()));
        Ops.Sum(output).Backward();
        Ops.Sum(expected).Backward();
        foreach ((Parameter one, Parameter other) in half.Parameters().Zip(whole.Parameters()))
        {
            Assert.That(one.Gradient!.DType, Is.EqualTo(DType.BFloat16));
            Assert.That(
                one.Gradient.ToFloats(),
                Is.EqualTo(Array.ConvertAll(other.Gradient!.ToFloats(), value => (float)(BFloat16)value))
            );
        }
    }

    [Test]
    public void A_table_that_is_converted_by_choice_has_rows_and_gradients_of_its_type()
    {
        using var table = new Embedding(5, 3, random: new RandomGenerator(4));
        table.Weight.KeepsFloat32 = false;
        table.To(DType.BFloat16).To(_device);
        using Tensor indices = Tensor.From(_device, [3, 1, 3], [3]);
        using TensorScope scope = TensorScope.Enter();
        Tensor rows = table.Forward(indices);
        Ops.Sum(rows).Backward();
        Assert.That(rows.DType, Is.EqualTo(DType.BFloat16));
        Assert.That(table.Weight.Gradient!.DType, Is.EqualTo(DType.BFloat16));
        Assert.That(
            table.Weight.Gradient.ToFloats(),
            Is.EqualTo(new float[] { 0, 0, 0, 1, 1, 1, 0, 0, 0, 2, 2, 2, 0, 0, 0 })
        );
    }

    [Test]
    public void A_master_is_read_and_written_whole_where_an_optimizer_keeps_its_remainder()
    {
        // A tie among them, which the parameter rounds away from zero, and a compute copy to even.
        float[] masters = [1 + 1f / 256, -0.1f, 3.14159f, 1e-30f];
        Parameter parameter = Half();
        parameter.WriteMaster(masters);
        Assert.That(parameter.ReadMaster(), Is.EqualTo(Array.ConvertAll(masters, each => (float)(BFloat16)each)));

        using (var optimizer = new FusedSgd([parameter], new SgdOptions()))
        {
            Assert.That(parameter.ReadMaster(), Is.EqualTo(parameter.ToFloats()), "remainders begin at 0");
            parameter.WriteMaster(masters);
            Assert.That(parameter.ReadMaster(), Is.EqualTo(masters));
            Assert.That(parameter.ToFloats()[0], Is.EqualTo(1 + 1f / 128));
            Assert.That((float)(BFloat16)masters[0], Is.EqualTo(1f));

            // Others' values are their own masters.
            parameter.CopyFrom<BFloat16>(parameter.ToArray<BFloat16>());
            Assert.That(parameter.ReadMaster(), Is.EqualTo(parameter.ToFloats()));
            parameter.WriteMaster(masters);
            parameter.MarkChanged();
            Assert.That(parameter.ReadMaster(), Is.EqualTo(parameter.ToFloats()));
            parameter.WriteMaster(masters);
            Assert.That(() => parameter.WriteMaster([1f]), Throws.ArgumentException);
            Assert.That(parameter.ReadMaster(), Is.EqualTo(masters));

            // As a run with float32 parameters saves its state: the master came with the module.
            OptimizerSnapshot state = optimizer.SaveState();
            Assert.That(state.Parameters[0].State["master"], Is.EqualTo(masters));
            optimizer.LoadState(
                state with
                {
                    Parameters = [state.Parameters[0] with { State = new Dictionary<string, float[]>() }],
                }
            );
            Assert.That(parameter.ReadMaster(), Is.EqualTo(masters));
        }

        Assert.That(parameter.ReadMaster(), Is.EqualTo(parameter.ToFloats()), "remainders went with the optimizer");
        parameter.Dispose();
        Assert.That(() => parameter.ReadMaster(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Files_and_exports_are_those_of_the_float32_masters()
    {
        string folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        try
        {
            using Sequential whole = Layers().To(_device);
            using Sequential half = Layers().To(DType.BFloat16).To(_device);
            using var optimizer = new FusedSgd(half.Parameters(), new SgdOptions());
            whole.Save(At("whole"));
            half.Load(At("whole"));
            half.Save(At("half"));
            Assert.That(File.ReadAllBytes(At("half")), Is.EqualTo(File.ReadAllBytes(At("whole"))));
            OnnxExport.Save(whole, [2, 6], At("whole.onnx"));
            OnnxExport.Save(half, [2, 6], At("half.onnx"));
            Assert.That(File.ReadAllBytes(At("half.onnx")), Is.EqualTo(File.ReadAllBytes(At("whole.onnx"))));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        string At(string name) => Path.Combine(folder, name);

        static Sequential Layers()
        {
            var random = new RandomGenerator(9);
            return new Sequential(new Linear(6, 5, random: random), new Relu(), new Linear(5, 3, random: random));
        }
    }

    [Test]
    public void One_optimizer_keeps_a_remainder_and_no_other_may_step_the_parameter()
    {
        using Parameter parameter = Half();
        var alone = new SgdOptions { MasterFormat = MasterFormat.None };
        using (new FusedSgd([parameter], new SgdOptions()))
        {
            Assert.That(
                () => new FusedSgd([parameter], alone),
                Throws.ArgumentException.With.Message.Contains("remainder")
            );
        }

        using (new FusedSgd([parameter], alone))
        {
            using var second = new FusedSgd([parameter], alone);
            Assert.That(() => new FusedSgd([parameter], new SgdOptions()), Throws.ArgumentException);
        }
    }

    [Test]
    public void A_model_that_an_optimizer_holds_or_that_is_quantised_stays_as_it_is()
    {
        using Linear layer = new Linear(4, 2).To(_device);
        using (new FusedSgd(layer.Parameters(), new SgdOptions()))
        {
            Assert.That(
                () => layer.To(DType.BFloat16),
                Throws.InvalidOperationException.With.Message.Contains("before its optimizer is made")
            );
            Assert.That(() => layer.To(DType.Float32), Throws.Nothing);
        }

        Assert.That(() => layer.To(DType.Int32), Throws.ArgumentException);
        Assert.That(layer.Weight.DType, Is.EqualTo(DType.Float32));
        layer.Dispose();
        Assert.That(() => layer.To(DType.BFloat16), Throws.TypeOf<ObjectDisposedException>());

        using Device cpu = Device.Cpu(1);
        using Linear integers = new Linear(4, 2).To(cpu).To(DType.BFloat16);
        var scheme = new QuantizationScheme { Kind = QuantizationKind.Int8 };
        Assert.That(
            () => Quantizer.Quantize(integers, scheme),
            Throws.InvalidOperationException.With.Message.Contains("To(DType.Float32)")
        );
        Quantizer.Quantize(integers.To(DType.Float32), scheme);
        Assert.That(
            () => integers.To(DType.BFloat16),
            Throws.InvalidOperationException.With.Message.Contains("quantised")
        );
    }

    private Parameter Half()
    {
        var linear = new Linear(4, 1, bias: false);
        return linear.To(DType.BFloat16).To(_device).Weight;
    }
}
