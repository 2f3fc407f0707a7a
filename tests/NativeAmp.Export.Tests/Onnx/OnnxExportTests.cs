using NativeAmp.Onnx;
using NativeAmp.Training;
using NativeAmp.Training.Export;

namespace NativeAmp.Export.Tests.Onnx;

/// <summary>Modules of others, refusals and the model's own state. A refused export leaves no file.</summary>
public class OnnxExportTests
{
    /// <summary>A module without an export.</summary>
    private sealed class Foreign : Module
    {
        public override Tensor Forward(Tensor input) => input;
    }

    /// <summary>w · x + 1, with an export of its own.</summary>
    private sealed class Scaled : Module, IOnnxModule
    {
        private readonly Parameter _factor;

        public Scaled(float factor) => _factor = Register("factor", new Parameter([factor, factor * 2], [2]));

        public override Tensor Forward(Tensor input)
        {
            float[] factors = _factor.ToArray<float>();
            float[] values = input.ToArray<float>();
            return Tensor.From(
                Processor.Cpu,
                [.. values.Select((value, i) => value * factors[i % 2] + 1)],
                input.Shape
            );
        }

        public string Export(OnnxGraph graph, string input) =>
            graph.Node("Add", [graph.Node("Mul", [input, graph.Weight(_factor)]), graph.Number(1)]);
    }

    /// <summary>A module that uses a parameter that it did not register.</summary>
    private sealed class Careless : Module, IOnnxModule
    {
        public override Tensor Forward(Tensor input) => input;

        public string Export(OnnxGraph graph, string input) => graph.Weight(new Parameter([1], [1]));
    }

    [Test]
    public void A_module_of_ones_own_adds_its_own_nodes()
    {
        using Sequential model = new Sequential(new Scaled(3), new Relu()).To(Processor.Cpu);
        using var folder = new ScratchFolder();

        OnnxExport.Save(model, [2], folder.File("model.onnx"));

        using var exported = new OnnxModel(folder.File("model.onnx"));
        Assert.That(exported.Run<float>([1, 2, -3, 4], 2, 2), Is.EqualTo(new float[] { 4, 13, 0, 25 }));
    }

    [Test]
    public void A_module_without_an_export_is_named_with_what_to_do()
    {
        using Sequential model = new Sequential(new Relu(), new Sequential(new Linear(2, 2), new Foreign())).To(
            Processor.Cpu
        );

        ExportException refused = Refused(model, [2]);

        Assert.That(refused.Part, Is.EqualTo("1.1"));
        Assert.That(refused.Message, Does.Contain("'1.1'").And.Contain(nameof(Foreign)).And.Contain("IOnnxModule"));
    }

    [Test]
    public void A_parameter_that_is_not_of_the_model_is_refused() =>
        Assert.That(
            () => OnnxExport.Save(new Careless(), [2], "unused.onnx"),
            Throws.ArgumentException.With.Message.Contain("register it")
        );

    [Test]
    public void A_sample_of_another_shape_is_refused_with_advice()
    {
        using Sequential model = Models.Cnn().To(Processor.Cpu);

        Assert.That(Refused(model, [1, 27, 40]).Message, Does.Contain("[1, 1, 27, 40]").And.Contain("Give the shape"));
    }

    [Test]
    public void A_weight_beyond_float16_is_refused_by_name()
    {
        using Sequential model = new Sequential(new Linear(1, 1)).To(Processor.Cpu);
        ((Linear)model[0]).Bias!.CopyFrom<float>([70_000]);

        ExportException refused = Refused(model, [1], OnnxPrecision.Float16Weights);

        Assert.That(refused.Message, Does.Contain("0.bias").And.Contain("70000").And.Contain("float32"));
    }

    [Test]
    public void Infinite_and_undefined_weights_are_kept([Values] OnnxPrecision precision)
    {
        using Sequential model = new Sequential(new Linear(1, 2)).To(Processor.Cpu);
        ((Linear)model[0]).Bias!.CopyFrom<float>([float.PositiveInfinity, float.NaN]);
        using var folder = new ScratchFolder();
        OnnxExport.Save(model, [1], folder.File("m.onnx"), new OnnxExportOptions { Precision = precision });

        using var exported = new OnnxModel(folder.File("m.onnx"));

        Assert.That(exported.Run<float>([1], 1, 1), Is.EqualTo(new[] { float.PositiveInfinity, float.NaN }));
    }

    [Test]
    public void A_model_on_no_device_is_refused_with_what_to_do()
    {
        using var model = new Sequential(new Linear(2, 2));

        Assert.That(
            () => OnnxExport.Save(model, [2], "unused.onnx"),
            Throws.InvalidOperationException.With.Message.Contain("To(device)")
        );
        Assert.That(File.Exists("unused.onnx"), Is.False);
    }

    [Test]
    public void A_model_without_parameters_needs_no_device()
    {
        using var model = new Sequential(new Flatten(), new Relu());
        using var folder = new ScratchFolder();
        OnnxExport.Save(model, [1, 2], folder.File("m.onnx"));

        using var exported = new OnnxModel(folder.File("m.onnx"));

        Assert.That(exported.Run<float>([-1, 2], 1, 1, 2), Is.EqualTo(new float[] { 0, 2 }));
    }

    [Test]
    public void The_modes_and_statistics_of_a_model_stay()
    {
        var frozen = new BatchNorm2d(1);
        using Sequential model = new Sequential(new BatchNorm2d(1), frozen, new Dropout(0.5f)).To(Processor.Cpu);
        frozen.Eval();
        float[] before = frozen.RunningMean.ToArray<float>();
        using var folder = new ScratchFolder();

        OnnxExport.Save(model, [1, 2, 2], folder.File("m.onnx"));

        Assert.That(model.Children().Select(child => child.IsTraining), Is.EqualTo(new[] { true, false, true }));
        Assert.That(model.IsTraining);
        Assert.That(frozen.RunningMean.ToArray<float>(), Is.EqualTo(before));
    }

    [Test]
    public void Names_and_metadata_are_in_the_file()
    {
        using Sequential model = new Sequential(new Linear(2, 3)).To(Processor.Cpu);
        using var folder = new ScratchFolder();

        OnnxExport.Save(
            model,
            [2],
            folder.File("m.onnx"),
            new OnnxExportOptions
            {
                InputName = "pixels",
                OutputName = "scores",
                FreeDimensions = new Dictionary<int, string>(),
                Metadata = new Dictionary<string, string> { ["classes"] = "hats, shoes, größer" },
            }
        );

        using var exported = new OnnxModel(folder.File("m.onnx"));
        Assert.That(exported.Input, Is.EqualTo(("pixels", "1, 2", typeof(float))));
        Assert.That(exported.Output, Is.EqualTo(("scores", "1, 3", typeof(float))));
        Assert.That(exported.Metadata["classes"], Is.EqualTo("hats, shoes, größer"));
    }

    [Test]
    public void An_image_of_any_size_gives_a_free_output_of_its_own_name()
    {
        using Sequential model = new Sequential(new Conv2d(1, 1, 3, stride: 2)).To(Processor.Cpu);
        using var folder = new ScratchFolder();

        OnnxExport.Save(
            model,
            [1, 9, 9],
            folder.File("m.onnx"),
            new OnnxExportOptions
            {
                FreeDimensions = new Dictionary<int, string> { [0] = "batch", [2] = "height" },
            }
        );

        using var exported = new OnnxModel(folder.File("m.onnx"));
        Assert.That(exported.Output.Dimensions, Is.EqualTo("batch, 1, output_2, 4"));
        Assert.That(exported.Run(new float[2 * 5 * 9], 2, 1, 5, 9), Has.Length.EqualTo(2 * 2 * 4));
    }

    private static readonly object[] Impossible =
    [
        new object[]
        {
            new OnnxExportOptions { Precision = (OnnxPrecision)9 },
            "9",
        },
        new object[]
        {
            new OnnxExportOptions { Input = DType.Float16 },
            "Float16",
        },
        new object[]
        {
            new OnnxExportOptions { InputName = "" },
            "names",
        },
        new object[]
        {
            new OnnxExportOptions { InputName = "a", OutputName = "a" },
            "'a'",
        },
        new object[] { Free(2, "x"), "2" },
        new object[] { Free(-1, "x"), "-1" },
        new object[] { Free(0, ""), "name" },
    ];

    private static OnnxExportOptions Free(int dimension, string name) =>
        new() { FreeDimensions = new Dictionary<int, string> { [dimension] = name } };

    [TestCaseSource(nameof(Impossible))]
    public void Impossible_options_are_refused(OnnxExportOptions options, string said)
    {
        using Sequential model = new Sequential(new Linear(2, 2)).To(Processor.Cpu);
        using var folder = new ScratchFolder();

        Assert.That(
            () => OnnxExport.Save(model, [2], folder.File("m.onnx"), options),
            Throws.ArgumentException.With.Message.Contain(said)
        );
        Assert.That(folder.Files(), Is.Empty);
    }

    [Test]
    public void Null_and_empty_arguments_are_refused()
    {
        using Sequential model = new Sequential(new Linear(2, 2)).To(Processor.Cpu);

        Assert.That(() => OnnxExport.Save(null!, [2], "x.onnx"), Throws.ArgumentNullException);
        Assert.That(() => OnnxExport.Save(null!, "x.onnx"), Throws.ArgumentNullException);
        Assert.That(() => OnnxExport.Save(model, [2], ""), Throws.ArgumentException);
        Assert.That(() => OnnxExport.Save(model, [0], "x.onnx"), Throws.ArgumentException);
    }

    private static ExportException Refused(Module model, Shape sample, OnnxPrecision precision = OnnxPrecision.Float32)
    {
        using var folder = new ScratchFolder();
        var options = new OnnxExportOptions { Precision = precision };
        ExportException refused = Assert.Throws<ExportException>(() =>
            OnnxExport.Save(model, sample, folder.File("m.onnx"), options)
        )!;
        Assert.That(folder.Files(), Is.Empty);
        return refused;
    }
}
