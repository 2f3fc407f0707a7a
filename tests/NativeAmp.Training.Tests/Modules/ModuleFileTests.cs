using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Export;

namespace NativeAmp.Training.Tests.Modules;

/// <summary>Models to and from safetensors files.</summary>
internal sealed class ModuleFileTests : FolderTests
{
    private string Path => System.IO.Path.Combine(Folder, "model.safetensors");

    [Test]
    public void A_model_reads_what_another_wrote()
    {
        using Sequential written = Model(1),
            read = Model(2);
        written.Save(Path);
        ModuleLoadResult result = read.Load(Path);
        Assert.That(Values(read), Is.EqualTo(Values(written)));
        Assert.That((result.Missing, result.Unexpected), Is.EqualTo((Array.Empty<string>(), Array.Empty<string>())));
    }

    [Test]
    public void The_file_has_the_names_and_shapes_of_the_model_s_state()
    {
        using Sequential model = Model(1);
        model.Save(Path, DType.BFloat16, name => "model." + name);
        using var reader = SafetensorsReader.Open(Path);
        Assert.That(
            reader.Entries.Select(entry => $"{entry.Name} {entry.DType} [{string.Join(", ", entry.Shape)}]"),
            Is.EqualTo(
                new[]
                {
                    "model.0.weight BF16 [3, 2]",
                    "model.0.bias BF16 [3]",
                    "model.1.weight BF16 [3]",
                    "model.1.bias BF16 [3]",
                }
            )
        );
    }

    // 1/3 between its neighbours in each format: 10 and 7 bits of fraction, to nearest.
    [TestCase(DType.Float16, 0.333251953125f)]
    [TestCase(DType.BFloat16, 0.333984375f)]
    [TestCase(DType.Float32, 1 / 3f)]
    public void Values_are_rounded_to_the_dtype_and_widened_again(DType dtype, float expected)
    {
        using Sequential model = Model(1);
        model.Parameters()[1].CopyFrom<float>([1 / 3f, -1 / 3f, 0]);
        model.Save(Path, dtype);
        model.Parameters()[1].CopyFrom<float>([7, 7, 7]);
        model.Load(Path);
        Assert.That(model.Parameters()[1].ToArray<float>(), Is.EqualTo(new[] { expected, -expected, 0 }));
    }

    [Test]
    public void Names_of_a_file_are_renamed_to_those_of_the_model()
    {
        using Sequential written = Model(1),
            read = Model(2);
        written.Save(Path, rename: name => "transformer." + name);
        read.Load(Path, name => name["transformer.".Length..]);
        Assert.That(Values(read), Is.EqualTo(Values(written)));
    }

    [Test]
    public void A_file_of_another_model_is_refused_with_everything_that_does_not_fit_and_changes_nothing()
    {
        using var other = new Sequential(
            new Linear(4, 3, random: new RandomGenerator(1)),
            new Relu(),
            new Linear(3, 1)
        );
        using Sequential model = Model(2);
        other.Save(Path);
        float[][] before = Values(model);
        Assert.That(
            () => model.Load(Path),
            Throws
                .TypeOf<CheckpointException>()
                .With.Property(nameof(CheckpointException.Problems))
                .EquivalentTo(
                    new[]
                    {
                        "'0.weight' is [3, 4], where the model's '0.weight' is [3, 2]",
                        "there is no '1.weight'",
                        "there is no '1.bias'",
                        "'2.weight' is not of the model",
                        "'2.bias' is not of the model",
                    }
                )
        );
        Assert.That(Values(model), Is.EqualTo(before));
    }

    [Test]
    public void A_part_of_a_model_is_loaded_without_strict_and_the_rest_is_named()
    {
        using Sequential written = Model(1),
            read = Model(2);
        written.Save(Path, rename: name => name.Replace("1.", "head.", StringComparison.Ordinal));
        ModuleLoadResult result = read.Load(Path, strict: false);
        Assert.That(result.Missing, Is.EqualTo(new[] { "1.weight", "1.bias" }));
        Assert.That(result.Unexpected, Is.EqualTo(new[] { "head.weight", "head.bias" }));
        Assert.That(Values(read)[..2], Is.EqualTo(Values(written)[..2]));
    }

    [TestCase("first")]
    [TestCase("second")]
    public void A_shared_parameter_is_loaded_by_either_of_its_names(string name)
    {
        using Tied written = new(1),
            read = new(2);
        written.Save(Path, rename: each => each.Replace("first", name, StringComparison.Ordinal));
        read.Load(Path);
        Assert.That(Values(read), Is.EqualTo(Values(written)));
    }

    [Test]
    public void Two_tensors_that_become_one_name_are_refused()
    {
        using Sequential model = Model(1);
        model.Save(Path);
        Assert.That(
            () => model.Load(Path, name => name.Replace("1.", "0.", StringComparison.Ordinal), strict: false),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("'0.bias' and '1.bias' are both '0.bias'")
        );
    }

    [Test]
    public void A_damaged_file_changes_nothing()
    {
        using Sequential model = Model(1);
        model.Save(Path);
        byte[] whole = File.ReadAllBytes(Path);
        File.WriteAllBytes(Path, whole[..^1]);
        float[][] before = Values(model);
        Assert.That(() => model.Load(Path), Throws.TypeOf<DataFormatException>());
        Assert.That(Values(model), Is.EqualTo(before));
    }

    [Test]
    public void A_dtype_that_is_no_model_s_is_refused_and_leaves_no_file()
    {
        using Sequential model = Model(1);
        Assert.That(() => model.Save(Path, DType.Int32), Throws.ArgumentException);
        Assert.That(Directory.GetFiles(Folder), Is.Empty);
    }

    // Beyond half of the last place above the largest number of each type.
    [TestCase(DType.Float16, 65520f, "float16's range of ±65504")]
    [TestCase(DType.BFloat16, 3.4e38f, "bfloat16's range of ±3.3895314E+38")]
    public void A_number_beyond_the_type_is_refused_by_its_name_and_leaves_the_file(
        DType dtype,
        float beyond,
        string message
    )
    {
        using Sequential model = Model(1);
        model.Parameters()[1].CopyFrom<float>([float.PositiveInfinity, 65519, float.NaN]);
        model.Save(Path, dtype);
        byte[] before = File.ReadAllBytes(Path);
        model.Parameters()[1].CopyFrom<float>([1, -beyond, 2]);
        Assert.That(
            () => model.Save(Path, dtype, name => "model." + name),
            Throws
                .TypeOf<ExportException>()
                .With.Message.Contains(message)
                .And.Message.Contains("'model.0.bias' has -")
                .And.Message.Contains("at element 1")
        );
        Assert.That(Directory.GetFiles(Folder), Is.EqualTo(new[] { Path }));
        Assert.That(File.ReadAllBytes(Path), Is.EqualTo(before));
    }

    [Test]
    public void Training_goes_on_with_loaded_values_on_a_device()
    {
        using var device = Device.Cpu();
        using Sequential written = Model(1).To(device),
            read = Model(2).To(device);
        using var optimizer = new FusedSgd(read.Parameters(), new SgdOptions { LearningRate = 0.5f });
        using var reference = new FusedSgd(written.Parameters(), new SgdOptions { LearningRate = 0.5f });
        written.Save(Path);
        read.Load(Path);
        float[][] loaded = Values(read);
        Step(written, reference);
        Step(read, optimizer);
        Assert.That(Values(read), Is.EqualTo(Values(written)).And.Not.EqualTo(loaded));

        void Step(Sequential model, FusedSgd rule)
        {
            using Tensor input = Tensor.From(device, new float[] { 1, -2, 3, 0.5f }, [2, 2]);
            using Tensor labels = Tensor.From(device, new[] { 0, 2 }, [2]);
            Loss.CrossEntropy(model.Forward(input), labels).Backward();
            rule.Step();
        }
    }

    private static Sequential Model(ulong seed)
    {
        var random = new RandomGenerator(seed);
        return new(new Linear(2, 3, random: random), new LayerNorm(3));
    }

    private static float[][] Values(Module module) => [.. module.State().Select(each => each.Values.ToArray<float>())];

    // One layer under two names.
    private sealed class Tied : Module
    {
        private readonly Linear _layer;

        public Tied(ulong seed)
        {
            _layer = Register("first", new Linear(2, 2, random: new RandomGenerator(seed)));
            Register("second", _layer);
        }

        public override Tensor Forward(Tensor input) => _layer.Call(_layer.Call(input));
    }
}
