using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Quantization;
using NativeAmp.Training.Tests.Fuzzing;

namespace NativeAmp.Training.Tests.Quantization;

[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class QuantizedFileTests(DeviceKind deviceKind) : FolderTests
{
    private static readonly QuantizationKind[] Kinds = Enum.GetValues<QuantizationKind>();

    [TestCaseSource(nameof(Kinds))]
    public void A_model_is_read_back_to_the_same_bits(QuantizationKind kind)
    {
        using Device device = deviceKind.Open();
        var scheme = new QuantizationScheme
        {
            Kind = kind,
            Group = 32,
            Keep = ["9"],
        };
        using Sequential model = Models.Cnn(new RandomGenerator(1), 8, 8).To(device);
        using Sequential other = Models.Cnn(new RandomGenerator(2), 8, 8).To(device);
        Quantizer.Quantize(model, scheme, kind == QuantizationKind.Int8Static ? each => Output(each, device) : null);
        string path = Path.Combine(Folder, "model.safetensors");

        QuantizedFile.Save(model, path, scheme, new Dictionary<string, string> { ["model"] = "cnn" });
        QuantizationScheme read = QuantizedFile.Load(other, path);

        using var reader = SafetensorsReader.Open(path);
        Assert.Multiple(() =>
        {
            Assert.That(read.Kind, Is.EqualTo(kind));
            Assert.That(read.Keep, Is.EqualTo(new[] { "9" }));
            Assert.That(Output(other, device), Is.EqualTo(Output(model, device)));
            Assert.That(((Conv2d)other[0]).InputCodes, Is.EqualTo(((Conv2d)model[0]).InputCodes));
            Assert.That(((Conv2d)other[0]).Quantized!.Codes, Is.EqualTo(((Conv2d)model[0]).Quantized!.Codes));
            Assert.That(reader.Metadata["model"], Is.EqualTo("cnn"));
            Assert.That(reader.Find("7.weight"), Is.Null);
            Assert.That(reader.Find("7.weight_codes"), Is.Not.Null);
            Assert.That(
                () => model.Save(path),
                Throws.InvalidOperationException.With.Message.Contains("QuantizedFile")
            );
            Assert.That(QuantizedFile.IsQuantized(path));
        });
    }

    [Test]
    public void Files_that_do_not_fit_are_refused_and_change_nothing()
    {
        using Device device = deviceKind.Open();
        var scheme = new QuantizationScheme();
        using Sequential model = Models.Mlp(new RandomGenerator(1), 8).To(device);
        using Sequential other = Models.Mlp(new RandomGenerator(2), 9).To(device);
        using Sequential target = Models.Mlp(new RandomGenerator(3), 8).To(device);
        string path = Path.Combine(Folder, "model.safetensors");
        string floats = Path.Combine(Folder, "floats.safetensors");
        Assert.That(() => QuantizedFile.Save(model, path, scheme), Throws.InvalidOperationException);
        model.Save(floats);
        Quantizer.Quantize(model, scheme);
        QuantizedFile.Save(model, path, scheme);
        float[] before = target.State().SelectMany(each => each.Values.ToArray<float>()).ToArray();
        byte[] bytes = File.ReadAllBytes(path);

        Assert.Multiple(() =>
        {
            Assert.That(() => QuantizedFile.Load(other, path), Throws.InstanceOf<CheckpointException>());
            Assert.That(() => QuantizedFile.Load(target, floats), Throws.InstanceOf<DataFormatException>());
            Refused("\"kind\":\"Int8\"", "\"kind\":\"Int9\"");
            Refused("\"kind\":\"Int8\"", "\"kind\":\"Int4\"");
            Refused("\"group\":\"0\"", "\"group\":\"8\"");
            Refused("\"method\":\"Rtn\"", "\"method\":\"Rtm\"");
            Refused("1.weight_codes", "2.weight_codes");
            Refused("3.weight_scales", "3.weight_scalez");
            Refused("3.bias", "4.bias");
        });
        // A scale that is NaN: the bytes after the first layer's codes.
        byte[] hostile = [.. bytes];
        int data = 8 + BitConverter.ToInt32(bytes);
        BitConverter.GetBytes(float.NaN).CopyTo(hostile, data + 256 * 8);
        File.WriteAllBytes(path, hostile);
        Assert.That(
            () => QuantizedFile.Load(target, path),
            Throws.InstanceOf<CheckpointException>().With.Message.Contains("1.weight_scales")
        );
        Assert.That(target.State().SelectMany(each => each.Values.ToArray<float>()), Is.EqualTo(before));

        void Refused(string old, string changed)
        {
            string text = System.Text.Encoding.Latin1.GetString(bytes);
            Assert.That(text, Does.Contain(old));
            File.WriteAllBytes(path, System.Text.Encoding.Latin1.GetBytes(text.Replace(old, changed)));
            Assert.That(
                () => QuantizedFile.Load(target, path),
                Throws.InstanceOf<CheckpointException>().Or.InstanceOf<DataFormatException>(),
                changed
            );
        }
    }

    [Test]
    public void Inputs_of_a_static_file_are_checked()
    {
        using Device device = deviceKind.Open();
        var scheme = new QuantizationScheme { Kind = QuantizationKind.Int8Static };
        using Sequential model = Models.Cnn(new RandomGenerator(1), 8, 8).To(device);
        using Sequential target = Models.Cnn(new RandomGenerator(2), 8, 8).To(device);
        float[] before = Output(target, device);
        string path = Path.Combine(Folder, "model.safetensors");
        Quantizer.Quantize(model, scheme, each => Output(each, device));
        QuantizedFile.Save(model, path, scheme);
        byte[] bytes = File.ReadAllBytes(path);
        float scale = ((Conv2d)model[0]).InputCodes!.Scale;
        int place = bytes.AsSpan().IndexOf(BitConverter.GetBytes(scale));

        Assert.Multiple(() =>
        {
            foreach (float wrong in (float[])[0, -scale, float.NaN, float.PositiveInfinity])
            {
                BitConverter.GetBytes(wrong).CopyTo(bytes, place);
                Refused(bytes, "0.input_scale");
            }

            BitConverter.GetBytes(scale).CopyTo(bytes, place);
            Refused(Changed("3.input_zero_point", "3.input_zero_poinz"), "3.input_zero_point");
            Refused(Changed("\"observer\":\"Mse\"", "\"observer\":\"Msf\""), "observer");
            Refused(Changed("\"percentile\":\"99.99\"", "\"percentile\":\"49.99\""), "percentile");
            Refused(Changed("Int8Static", "Int8Dynami"), "kind");
            Assert.That(Output(target, device), Is.EqualTo(before));
        });

        byte[] Changed(string old, string now)
        {
            string text = System.Text.Encoding.Latin1.GetString(bytes);
            Assert.That(text, Does.Contain(old));
            return System.Text.Encoding.Latin1.GetBytes(text.Replace(old, now));
        }

        void Refused(byte[] file, string message)
        {
            File.WriteAllBytes(path, file);
            Assert.That(
                () => QuantizedFile.Load(target, path),
                Throws
                    .InstanceOf<CheckpointException>()
                    .Or.InstanceOf<DataFormatException>()
                    .With.Message.Contains(message)
            );
        }
    }

    [TestCase(QuantizationKind.Int4)]
    [TestCase(QuantizationKind.Int4Dynamic)]
    [TestCase(QuantizationKind.Int8Static)]
    public void Cut_and_changed_files_are_read_or_refused_by_type(QuantizationKind kind)
    {
        using Device device = deviceKind.Open();
        var scheme = new QuantizationScheme { Kind = kind, Group = 32 };
        using (Sequential model = Models.Mlp(new RandomGenerator(1), 8).To(device))
        {
            Quantizer.Quantize(
                model,
                scheme,
                kind == QuantizationKind.Int8Static
                    ? each => StaticQuantizationTests.Forward(each, device, [1, 2, 3, 4, 5, 6, 7, 8], [1, 8])
                    : null
            );
            QuantizedFile.Save(model, Path.Combine(Folder, "good.safetensors"), scheme);
        }

        byte[] good = File.ReadAllBytes(Path.Combine(Folder, "good.safetensors"));
        var random = new Random(7);
        string path = Path.Combine(Folder, "bad.safetensors");
        int refused = 0;
        for (int i = 0; i < Fuzz.Count; i++)
        {
            byte[] bad = Fuzz.Mutate(good, random);
            File.WriteAllBytes(path, bad);
            using Sequential model = Models.Mlp(new RandomGenerator(1), 8).To(device);
            try
            {
                QuantizedFile.Load(model, path);
            }
            catch (Exception e) when (e is CheckpointException or DataFormatException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.InRange(Fuzz.Count / 2, Fuzz.Count - 1));
    }

    private static float[] Output(Module model, Device device)
    {
        using NoGrad scope = NoGrad.Enter();
        return model.Forward(Tensor.From<float>(device, QuantizerTests.Values(128, 3), [2, 1, 8, 8])).ToArray<float>();
    }
}
