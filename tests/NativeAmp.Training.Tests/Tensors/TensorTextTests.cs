using System.Diagnostics;
using System.Reflection;

namespace NativeAmp.Training.Tests.Tensors;

/// <summary>A tensor as text. The expected texts are what PyTorch prints for the same values.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class TensorTextTests(DeviceKind kind)
{
    private Device _device = null!;

    private string Place => kind == DeviceKind.Cpu ? "cpu" : "cuda:0";

    [SetUp]
    public void Open() => _device = kind.Open();

    [TearDown]
    public void Close() => _device.Dispose();

    [Test]
    public void It_begins_with_dtype_shape_and_device()
    {
        using Tensor tensor = Tensor.From<float>(_device, [1, 2.5f, -3, 4, 5, 6], [2, 3]);
        Assert.That(
            tensor.ToString(),
            Is.EqualTo(
                $"float32 tensor [2, 3] on {Place}\n[[ 1.0000,  2.5000, -3.0000],\n [ 4.0000,  5.0000,  6.0000]]"
            )
        );
    }

    [TestCase(new[] { 0f, 0f, 0f }, "[0., 0., 0.]")]
    [TestCase(new[] { 1f, 2f, -30f }, "[  1.,   2., -30.]")]
    [TestCase(new[] { 0.5f, 1f }, "[0.5000, 1.0000]")]
    [TestCase(new[] { 1e-5f, 1f }, "[1.0000e-05, 1.0000e+00]")]
    [TestCase(new[] { 1f, 1e9f }, "[1.0000e+00, 1.0000e+09]")]
    [TestCase(new[] { 0.001f, 2000f }, "[1.0000e-03, 2.0000e+03]")]
    [TestCase(new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity }, "[nan, inf, -inf]")]
    [TestCase(new[] { 1.5f, float.NaN }, "[1.5000,    nan]")]
    [TestCase(new float[0], "[]")]
    public void Numbers_have_one_form_and_one_width(float[] values, string expected)
    {
        using Tensor tensor = Tensor.From(_device, values, [values.Length]);
        Assert.That(Values(tensor), Is.EqualTo(expected));
    }

    [Test]
    public void Every_dtype_has_values()
    {
        using Tensor integers = Tensor.From<int>(_device, [1, -20, int.MinValue], [3]);
        using Tensor halves = Tensor.From<Half>(_device, [(Half)0.25, (Half)65504], [2]);
        using Tensor brains = Tensor.From<BFloat16>(_device, [(BFloat16)1.5f], [1]);
        using Tensor bytes = Tensor.From<byte>(_device, [0, 255], [2]);
        using Tensor e4m3 = Tensor.Empty(_device, DType.Float8E4M3, [3]);
        e4m3.CopyFrom<byte>([0x38, 0x7E, 0x01]); // 1, the largest, 2^-9
        using Tensor e5m2 = Tensor.Empty(_device, DType.Float8E5M2, [2]);
        e5m2.CopyFrom<byte>([0x3C, 0x7C]);
        Assert.That(Values(integers), Is.EqualTo("[          1,         -20, -2147483648]"));
        Assert.That(Values(halves), Is.EqualTo("[2.5000e-01, 6.5504e+04]"));
        Assert.That(Values(brains), Is.EqualTo("[1.5000]"));
        Assert.That(Values(bytes), Is.EqualTo("[  0, 255]"));
        Assert.That(Values(e4m3), Is.EqualTo("[1.0000e+00, 4.4800e+02, 1.9531e-03]"));
        Assert.That(Values(e5m2), Is.EqualTo("[1., inf]"));
    }

    [Test]
    public void A_scalar_has_no_brackets()
    {
        using Tensor scalar = Tensor.From<float>(_device, [0.25f], Shape.Scalar);
        Assert.That(scalar.ToString(), Is.EqualTo($"float32 tensor [] on {Place}\n0.2500"));
    }

    [Test]
    public void Blocks_of_more_dimensions_have_empty_lines_between()
    {
        using Tensor tensor = Tensor.From<int>(_device, [1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
        Assert.That(Values(tensor), Is.EqualTo("[[[1, 2],\n  [3, 4]],\n\n [[5, 6],\n  [7, 8]]]"));
    }

    [Test]
    public void Lines_have_at_most_80_characters()
    {
        using Tensor tensor = Tensor.From<int>(_device, [.. Enumerable.Range(100, 40)], [40]);
        string[] lines = Values(tensor).Split('\n');
        Assert.That(lines, Has.Length.EqualTo(3));
        Assert.That(lines[0], Is.EqualTo($"[{string.Join(", ", Enumerable.Range(100, 16))},"));
        Assert.That(lines[1], Does.StartWith(" 116, "));
    }

    [Test]
    public void Large_tensors_show_their_edges()
    {
        using Tensor row = Tensor.From<int>(_device, [.. Enumerable.Range(0, 1001)], [1001]);
        Assert.That(Values(row), Is.EqualTo("[   0,    1,    2,  ...,  998,  999, 1000]"));
        using Tensor table = Tensor.From<int>(_device, [.. Enumerable.Range(0, 1600)], [40, 40]);
        Assert.That(
            Values(table),
            Is.EqualTo(
                "[[   0,    1,    2,  ...,   37,   38,   39],\n"
                    + " [  40,   41,   42,  ...,   77,   78,   79],\n"
                    + " [  80,   81,   82,  ...,  117,  118,  119],\n"
                    + " ...,\n"
                    + " [1480, 1481, 1482,  ..., 1517, 1518, 1519],\n"
                    + " [1520, 1521, 1522,  ..., 1557, 1558, 1559],\n"
                    + " [1560, 1561, 1562,  ..., 1597, 1598, 1599]]"
            )
        );
    }

    [Test]
    public void A_tensor_of_a_thousand_elements_is_shown_whole()
    {
        using Tensor tensor = Tensor.From<int>(_device, [.. Enumerable.Range(0, 1000)], [1000]);
        Assert.That(Values(tensor), Does.Contain(" 500,").And.Not.Contain("..."));
    }

    [TestCase(new long[] { 4, 4, 4, 4, 4, 4 })]
    [TestCase(new long[] { 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 })]
    public void The_text_of_many_dimensions_is_short(long[] dimensions)
    {
        using Tensor tensor = Tensor.Zeros(_device, DType.Float32, new Shape(dimensions));
        Assert.That(tensor.ToString(), Does.Contain("...").And.Length.LessThan(10_000));
    }

    [Test]
    public void Parameters_say_their_name_and_that_they_learn_on_a_device_or_none()
    {
        using var model = new Sequential(new Linear(1, 2, bias: false));
        model.Parameters()[0].CopyFrom<float>([1, 2]);
        Assert.That(
            model.Parameters()[0].ToString(),
            Is.EqualTo("float32 parameter '0.weight' [2, 1] on no device yet, requires grad\n[[1.],\n [2.]]")
        );
        model.To(_device);
        Assert.That(
            model.Parameters()[0].ToString(),
            Is.EqualTo($"float32 parameter '0.weight' [2, 1] on {Place}, requires grad\n[[1.],\n [2.]]")
        );
    }

    [Test]
    public void A_disposed_tensor_says_so()
    {
        Tensor tensor = Tensor.Zeros(_device, DType.Float32, [2]);
        tensor.Dispose();
        Assert.That(tensor.ToString(), Is.EqualTo($"float32 tensor [2] on {Place}, without values: it was disposed"));
        Tensor output;
        using (TensorScope.Enter())
        {
            using Tensor one = Tensor.Zeros(_device, DType.Float32, [1]);
            output = Ops.Add(one, one);
        }

        Assert.That(output.ToString(), Does.Contain("without values: the TensorScope (or NoGrad)"));
        using var linear = new Linear(1, 1);
        linear.Dispose();
        Assert.That(linear.Weight.ToString(), Does.Contain("without values: it was disposed"));
    }

    [Test]
    public void A_debugger_shows_a_line_and_the_first_values()
    {
        using Tensor tensor = Tensor.From<float>(_device, [.. Enumerable.Range(0, 1200).Select(i => i / 2f)], [1200]);
        Assert.That(Line(tensor), Is.EqualTo($"float32 tensor [1200] on {Place} {{ 0, 0.5, 1, 1.5, 2, 2.5, … }}"));
        string proxy = typeof(Tensor).GetCustomAttribute<DebuggerTypeProxyAttribute>()!.ProxyTypeName;
        object view = Activator.CreateInstance(Type.GetType(proxy)!, tensor)!;
        var values = (double[])view.GetType().GetProperty("FirstValues")!.GetValue(view)!;
        Assert.That(values, Is.EqualTo(Enumerable.Range(0, 1000).Select(i => i / 2.0)));
        tensor.Dispose();
        Assert.That(Line(tensor), Does.EndWith("without values: it was disposed"));
        Assert.That(view.GetType().GetProperty("FirstValues")!.GetValue(view), Is.Null);
    }

    [Test]
    public void Text_of_a_GPU_waits_for_its_work()
    {
        if (kind == DeviceKind.Cpu)
            Assert.Ignore("A CPU's work is done when its call returns.");
        using Tensor one = Tensor.From<float>(_device, [1, 2], [2]);
        using Tensor sum = Ops.Add(one, one);
        Assert.That(Values(sum), Is.EqualTo("[2., 4.]"));
    }

    private static string Values(Tensor tensor)
    {
        string text = tensor.ToString();
        return text[(text.IndexOf('\n', StringComparison.Ordinal) + 1)..];
    }

    // The debugger evaluates the property that the attribute names.
    private static string Line(Tensor tensor)
    {
        string format = typeof(Tensor).GetCustomAttribute<DebuggerDisplayAttribute>()!.Value;
        string property = format.TrimStart('{').Split(',')[0];
        return (string)
            typeof(Tensor).GetProperty(property, BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(tensor)!;
    }
}
