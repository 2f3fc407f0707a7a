namespace NativeAmp.Training.Tests.Autograd;

/// <summary>
/// Gradients that are accumulated, read and edited, against torch.amp's semantics. Every value is exact.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class AccumulationTests(DeviceKind kind) : DeviceTests(kind)
{
    // Of each 1/1024: a sum in bfloat16 would stay at 1/4, of which 1/1024 is half of the last digit.
    private const int Passes = 512;

    private static IEnumerable<PrecisionPolicy> Halves => [PrecisionPolicy.Float16, PrecisionPolicy.BFloat16];

    [TestCaseSource(nameof(Halves))]
    public void One_backward_pass_leaves_a_half_and_several_add_up_in_float32(PrecisionPolicy policy)
    {
        using Linear layer = Layer();
        Pass(layer, policy, 1f / 1024);
        Assert.That(layer.Weight.Gradient!.DType, Is.EqualTo(policy.Compute));
        for (int i = 1; i < Passes; i++)
            Pass(layer, policy, 1f / 1024);
        Assert.That(layer.Weight.Gradient!.DType, Is.EqualTo(DType.Float32));
        Assert.That(layer.Weight.Gradient!.Item(), Is.EqualTo(Passes / 1024f));
        // Every step begins anew, independent of the steps before.
        layer.ZeroGrad();
        Pass(layer, policy, 1);
        Assert.That(layer.Weight.Gradient!.DType, Is.EqualTo(policy.Compute));
    }

    [TestCaseSource(nameof(Halves))]
    public void A_weight_that_one_pass_uses_often_is_added_up_in_float32_too(PrecisionPolicy policy)
    {
        using Linear layer = Layer();
        using Tensor x = Tensor.From(Device, [1f], [1, 1]);
        using (Autocast.Enter(policy))
        {
            Tensor sum = Ops.Sum(layer.Forward(x));
            for (int i = 1; i < Passes; i++)
                sum += Ops.Sum(layer.Forward(x));
            (sum / 1024).Backward();
        }

        Assert.That(layer.Weight.Gradient!.Item(), Is.EqualTo(Passes / 1024f));
    }

    [Test]
    public void A_sum_that_does_not_fit_in_half_is_no_overflow()
    {
        using Linear layer = Layer();
        using var optimizer = new FusedAdam(layer.Parameters());
        using var scaler = new GradScaler(Device, GradScalerOptions.Static(16384));
        for (int i = 0; i < 8; i++)
            Pass(layer, PrecisionPolicy.Float16, 1, scaler);
        StepResult result = scaler.Step(optimizer);
        Assert.That((result.Read().Stepped, result.Read().GradientNorm), Is.EqualTo((true, 8f)));
    }

    [TestCase(null)]
    [TestCase(true)]
    public void After_Unscale_a_gradient_shows_and_takes_unscaled_values(bool? inPlace)
    {
        using Linear layer = Layer();
        using var other = new Linear(1, 1, bias: false, initializer: Initializers.Constant(1)).To(Device);
        using var model = new Sequential(layer, other);
        using var optimizer = new FusedAdam(
            model.Parameters(),
            new AdamOptions
            {
                LearningRate = 1,
                Epsilon = 0,
                WeightDecay = 0,
            }
        );
        using var scaler = new GradScaler(Device, GradScalerOptions.Static(1024));
        Pass(layer, PrecisionPolicy.Float16, 3, scaler);
        Pass(other, PrecisionPolicy.Float16, 5, scaler);
        Assert.That(layer.Weight.Gradient!.Item(), Is.EqualTo(3 * 1024));
        scaler.Unscale(optimizer, inPlace);
        Tensor seen = layer.Weight.Gradient!;
        Assert.That(seen.ToFloats(), Is.EqualTo(new float[] { 3 }));
        if (inPlace is null)
        {
            Assert.That(seen.DType, Is.EqualTo(DType.Float32));
            seen.CopyFrom<float>([-4f]);
            // The other one was converted with it, so that one scale holds for the step.
            Assert.That(other.Weight.Gradient!.ToFloats(), Is.EqualTo(new float[] { 5 }));
        }

        StepResult result = scaler.Step(optimizer);
        Assert.That(result.Read().Stepped, Is.True);
        // Adam's first step is the learning rate in the gradient's direction.
        Assert.That(layer.Weight.Item(), Is.EqualTo(inPlace is null ? 2 : 0).Within(1e-6));
        Assert.That(other.Weight.Item(), Is.EqualTo(0).Within(1e-6));
    }

    [Test]
    public void A_scaled_gradient_added_to_an_unscaled_one_is_refused_when_it_is_used()
    {
        using Linear layer = Layer();
        using var optimizer = new FusedAdam(layer.Parameters());
        using var scaler = new GradScaler(Device, GradScalerOptions.Static(1024));
        Pass(layer, PrecisionPolicy.Float16, 1, scaler);
        scaler.Step(optimizer);
        scaler.Update();
        // A loop that forgot ZeroGrad; or a GAN whose second loss goes through the critic, which clears it before its
        // own step.
        Pass(layer, PrecisionPolicy.Float16, 1, scaler);
        Assert.That(() => layer.Weight.Gradient, Throws.InvalidOperationException.With.Message.Contains("ZeroGrad"));
        Assert.That(() => scaler.Step(optimizer), Throws.InvalidOperationException.With.Message.Contains("ZeroGrad"));
        optimizer.ZeroGrad();
        Pass(layer, PrecisionPolicy.Float16, 2, scaler);
        Assert.That(scaler.Step(optimizer).Read().GradientNorm, Is.EqualTo(2));
    }

    [Test]
    public void Without_a_scaler_gradients_go_on_adding_up_over_steps_as_in_PyTorch()
    {
        using Linear layer = Layer();
        using var optimizer = new FusedAdam(layer.Parameters());
        Pass(layer, PrecisionPolicy.BFloat16, 1);
        optimizer.Step();
        Pass(layer, PrecisionPolicy.BFloat16, 2);
        Assert.That(optimizer.Step().Read().GradientNorm, Is.EqualTo(3));
    }

    private Linear Layer() => new Linear(1, 1, bias: false, initializer: Initializers.Constant(1)).To(Device);

    // The weight's gradient is the factor.
    private void Pass(Linear layer, PrecisionPolicy policy, float factor, GradScaler? scaler = null)
    {
        using TensorScope scope = TensorScope.Enter();
        using Tensor x = Tensor.From(Device, [1f], [1, 1]);
        Tensor loss;
        using (Autocast.Enter(policy))
            loss = Ops.Sum(layer.Forward(x)) * factor;
        if (scaler is null)
            loss.Backward();
        else
            scaler.Scale(loss).Backward();
    }
}
