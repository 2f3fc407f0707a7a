namespace NativeAmp.Tests;

/// <summary>One optimizer over several models, whose parameters have the same names.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public sealed class SeveralModelsTests(DeviceKind kind)
{
    private Device _device = null!;
    private TestParameter[] _encoder = null!;
    private TestParameter[] _decoder = null!;

    [SetUp]
    public void Open()
    {
        _device = kind.Open(1);
        _encoder = Model();
        _decoder = Model();
    }

    [TearDown]
    public void Close()
    {
        foreach (var parameter in _encoder.Concat(_decoder))
            parameter.Dispose();
        _device.Dispose();
    }

    [Test]
    public void Names_are_told_apart_by_a_number_in_the_order_they_come()
    {
        using var third = new TestParameter(_device, "2:0.weight", 1);
        using var fourth = new TestParameter(_device, "0.weight", 1);

        using var optimizer = new FusedAdam([.. _encoder, .. _decoder, third, fourth]);

        Assert.That(
            Names(optimizer),
            Is.EqualTo(new[] { "0.weight", "0.bias", "3:0.weight", "2:0.bias", "2:0.weight", "4:0.weight" })
        );
    }

    [Test]
    public void Groups_may_give_a_name_that_theirs_begin_with()
    {
        ParameterGroup[] groups =
        [
            new([_encoder[0]], new AdamOptions()) { Name = "encoder" },
            new([_encoder[1]], new AdamOptions { WeightDecay = 0 }) { Name = "encoder" },
            new(_decoder, new AdamOptions()) { Name = "decoder" },
        ];

        using var optimizer = new FusedAdam(groups);

        Assert.That(
            Names(optimizer),
            Is.EqualTo(new[] { "encoder.0.weight", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias" })
        );
        Assert.That(() => new ParameterGroup(_decoder, new AdamOptions()) { Name = "" }, Throws.ArgumentException);
    }

    [Test]
    public void A_parameter_without_a_name_is_called_by_its_place()
    {
        using var unnamed = new TestParameter(_device, "", 1);
        using var too = new TestParameter(_device, "", 1);

        using var optimizer = new FusedAdam([_encoder[0], unnamed, too]);

        Assert.That(Names(optimizer), Is.EqualTo(new[] { "0.weight", "parameter1", "parameter2" }));
    }

    [Test]
    public void Each_steps_by_its_own_gradients_and_the_state_goes_back_to_where_it_was([Values] bool named)
    {
        using var optimizer = Make(_encoder, _decoder, named);
        for (int step = 0; step < 3; step++)
        {
            SetGradients(_encoder, _decoder, step);
            optimizer.Step();
        }
        TestParameter[] encoder = Copy(_encoder),
            decoder = Copy(_decoder);
        using var resumed = Make(encoder, decoder, named);
        resumed.LoadState(optimizer.SaveState());

        foreach (var (e, d, o) in new[] { (_encoder, _decoder, optimizer), (encoder, decoder, resumed) })
        {
            SetGradients(e, d, step: 3);
            o.Step();
        }

        Assert.That(
            encoder.Concat(decoder).Select(p => p.Values),
            Is.EqualTo(_encoder.Concat(_decoder).Select(p => p.Values))
        );
        Assert.That(_encoder[0].Values, Is.Not.EqualTo(_decoder[0].Values));
        foreach (var parameter in encoder.Concat(decoder))
            parameter.Dispose();
    }

    [Test]
    public void The_first_bad_parameter_is_said_by_its_name_in_the_optimizer()
    {
        using var optimizer = new FusedAdam(_encoder.Concat(_decoder));
        SetGradients(_encoder, _decoder, step: 0);
        _decoder[1].SetGradient(float.NaN);

        Assert.That(optimizer.Step().Read().FirstBadParameter, Is.EqualTo("2:0.bias"));
    }

    [Test]
    public void What_is_given_twice_is_refused_by_saying_so()
    {
        var view = new SameMemory(_encoder[0]);

        Assert.That(
            () => new FusedAdam([.. _encoder, .. _encoder]),
            Throws.ArgumentException.With.Message.Contains("'0.weight' is given twice")
        );
        Assert.That(
            () =>
                new FusedAdam([
                    new ParameterGroup(_encoder, new AdamOptions()),
                    new ParameterGroup([_encoder[1]], new AdamOptions()),
                ]),
            Throws.ArgumentException.With.Message.Contains("'0.bias' is given twice")
        );
        Assert.That(
            () => new FusedAdam([_encoder[0], view]),
            Throws.ArgumentException.With.Message.Contains("'0.weight' and 'view' are the same memory")
        );
    }

    private TestParameter[] Model() => [new(_device, "0.weight", 1, 2, 3), new(_device, "0.bias", 1)];

    private TestParameter[] Copy(TestParameter[] parameters) =>
        [.. parameters.Select(p => new TestParameter(_device, p.Name, p.Values))];

    private static FusedAdam Make(TestParameter[] encoder, TestParameter[] decoder, bool named) =>
        named
            ? new([
                new ParameterGroup(encoder, new AdamOptions()) { Name = "e" },
                new ParameterGroup(decoder, new AdamOptions()) { Name = "d" },
            ])
            : new(encoder.Concat(decoder));

    private static void SetGradients(TestParameter[] encoder, TestParameter[] decoder, int step)
    {
        encoder[0].SetGradient(1f, -2f, step);
        encoder[1].SetGradient(0.5f);
        decoder[0].SetGradient(-3f, step, 1f);
        decoder[1].SetGradient(2f);
    }

    private static IEnumerable<string> Names(FusedAdam optimizer) =>
        optimizer.SaveState().Parameters.Select(m => m.Name);

    private sealed class SameMemory(TestParameter of) : IParameter
    {
        public string Name => "view";

        public long Count => of.Count;

        public ReadOnlySpan<long> Shape => of.Shape;

        public Device Device => of.Device;

        public nint Data => of.Data;

        public TensorCell Gradient => of.Gradient;

        public TensorCell ComputeCopy => of.ComputeCopy;

        public void ClearGradient() => of.ClearGradient();
    }
}
