using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NativeAmp.TorchSharp.Tests.Precision;

/// <summary>Autocast is libtorch's own, over TorchSharp's functions and modules.</summary>
internal sealed class AutocastTests : TorchTests
{
    [Test]
    public void Linear_computes_as_if_cast_by_hand([Values(ScalarType.Float16, ScalarType.BFloat16)] ScalarType type)
    {
        using Linear model = nn.Linear(16, 8);
        Tensor x = randn(4, 16),
            actual;

        using (amp.autocast(DeviceType.CPU, type))
            actual = model.call(x);

        Tensor expected = F.linear(x.to_type(type), model.weight.to_type(type), model.bias!.to_type(type));
        Assert.That(actual.dtype, Is.EqualTo(type));
        Assert.That(Tensors.Bits(actual), Is.EqualTo(Tensors.Bits(expected)));
    }

    [Test]
    public void Products_convolutions_and_attention_are_cast_and_losses_and_norms_are_not()
    {
        using Conv2d convolution = nn.Conv2d(3, 4, 3);
        using MultiheadAttention attention = nn.MultiheadAttention(8, 2);
        Tensor image = randn(1, 3, 6, 6),
            rows = randn(5, 2, 8);
        using (amp.autocast(CPU, ScalarType.BFloat16))
        {
            Assert.That(convolution.call(image).dtype, Is.EqualTo(ScalarType.BFloat16));
            Assert.That(rows.matmul(rows.transpose(1, 2)).dtype, Is.EqualTo(ScalarType.BFloat16));
            Assert.That(
                attention.call(rows, rows, rows, null, true, null).Item1.dtype,
                Is.EqualTo(ScalarType.BFloat16)
            );
            Assert.That(F.scaled_dot_product_attention(rows, rows, rows).dtype, Is.EqualTo(ScalarType.BFloat16));
            Tensor half = rows.to_type(ScalarType.BFloat16);
            Assert.That(F.mse_loss(half, half).dtype, Is.EqualTo(ScalarType.Float32));
            Assert.That(rows.dtype, Is.EqualTo(ScalarType.Float32));
        }
    }

    [Test]
    public void Parameters_get_gradients_in_their_own_type()
    {
        using Linear model = nn.Linear(16, 8);
        Tensor loss;
        using (amp.autocast(CPU, ScalarType.Float16))
            loss = model.call(randn(4, 16)).sum();

        loss.backward();

        Assert.That(model.weight.dtype, Is.EqualTo(ScalarType.Float32));
        Assert.That(model.weight.grad!.dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void Scopes_nest_and_leave_the_thread_as_it_was()
    {
        ScalarType before = amp.get_autocast_dtype(DeviceType.CPU);
        using (amp.autocast(DeviceType.CPU, ScalarType.Float16))
        {
            Assert.That(State(), Is.EqualTo((true, ScalarType.Float16)));
            using (amp.autocast(DeviceType.CPU, enabled: false))
                Assert.That(State().Enabled, Is.False);
            using (amp.autocast(DeviceType.CPU, ScalarType.BFloat16))
                Assert.That(State(), Is.EqualTo((true, ScalarType.BFloat16)));
            Assert.That(State(), Is.EqualTo((true, ScalarType.Float16)));
        }
        Assert.That(State(), Is.EqualTo((false, before)));

        static (bool Enabled, ScalarType Type) State() =>
            (amp.is_autocast_enabled(DeviceType.CPU), amp.get_autocast_dtype(DeviceType.CPU));
    }

    [Test]
    public void Other_threads_and_devices_do_not_see_it()
    {
        bool? elsewhere = null;
        using (amp.autocast(DeviceType.CPU))
        {
            var thread = new Thread(() => elsewhere = amp.is_autocast_enabled(DeviceType.CPU));
            thread.Start();
            thread.Join();
            Assert.That(amp.is_autocast_enabled(DeviceType.CUDA), Is.False);
        }
        Assert.That(elsewhere, Is.False);
    }

    [Test]
    public void Weights_are_cast_anew_after_the_scope_or_without_the_cache([Values] bool cache)
    {
        var factor = new Parameter(ones(1, 1));
        Tensor one = ones(1, 1);
        var seen = new List<float>();
        using (amp.autocast(DeviceType.CPU, ScalarType.BFloat16, cache_enabled: cache))
        {
            Show(1);
            Show(2);
        }
        using (amp.autocast(DeviceType.CPU, ScalarType.BFloat16, cache_enabled: cache))
            Show(3);

        // The second change is within the scope that keeps the first cast.
        Assert.That(seen, Is.EqualTo(cache ? new float[] { 1, 1, 3 } : [1, 2, 3]));

        void Show(float weight)
        {
            using (no_grad())
                factor.fill_(weight);
            seen.Add(Tensors.Floats(one.matmul(factor))[0]);
        }
    }

    [Test]
    public void Other_types_and_devices_are_refused()
    {
        Assert.That(() => Enter(DeviceType.CPU, ScalarType.Float64), Throws.ArgumentException);
        Assert.That(() => Enter(DeviceType.MPS, null), Throws.TypeOf<NotSupportedException>());

        static void Enter(DeviceType device, ScalarType? type)
        {
            using (amp.autocast(device, type)) { }
        }
    }

    [Test]
    public void No_await_can_be_within_a_scope() => Assert.That(typeof(TorchAutocastScope).IsByRefLike, Is.True);
}
