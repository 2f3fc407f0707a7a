namespace NativeAmp.Training.Tests.Autograd;

/// <summary>
/// Graphs as in real training loops: several losses, networks, passes and steps. Values are computed by hand.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class GraphTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void One_fake_batch_serves_the_critic_detached_and_the_generator_attached()
    {
        // fake = 3 z; the critic is d * fake.
        using Tensor z = Tensor.From(Device, [1f, 2], [2]);
        using Linear generator = Constant(3),
            critic = Constant(0.5f);
        Tensor fake = generator.Forward(z.Reshape(2, 1));
        Ops.Sum(critic.Forward(fake.Detach())).Backward();
        Assert.That(critic.Weight.Gradient!.ToFloats(), Is.EqualTo(new float[] { 9 }));
        Assert.That(generator.Weight.Gradient, Is.Null);
        Ops.Sum(critic.Forward(fake)).Backward();
        Assert.That(generator.Weight.Gradient!.ToFloats(), Is.EqualTo(new float[] { 1.5f }));
        Assert.That(critic.Weight.Gradient!.ToFloats(), Is.EqualTo(new float[] { 18 }));
    }

    [Test]
    public void A_backward_pass_leaves_the_graphs_of_other_losses_alone()
    {
        using Tensor x = Leaf(2),
            y = Leaf(3);
        Tensor first = Ops.Sum(x * 5),
            second = Ops.Sum(y * 7);
        Tensor other = y * 11;
        first.Backward();
        Assert.That(y.Gradient, Is.Null);
        second.Backward();
        Assert.That(other.Item(), Is.EqualTo(33));
        Ops.Sum(other).Backward();
        Assert.That((x.Gradient!.Item(), y.Gradient!.Item()), Is.EqualTo((5f, 18f)));
    }

    [Test]
    public void Two_losses_over_one_trunk_take_retainGraph_or_are_refused_before_anything_is_added()
    {
        using Tensor x = Leaf(2),
            head = Leaf(1);
        Tensor trunk = x * 3;
        Tensor first = Ops.Sum(trunk * 5),
            second = Ops.Sum(trunk * 7 + head);
        first.Backward(retainGraph: true);
        second.Backward();
        Assert.That(x.Gradient!.Item(), Is.EqualTo(36));
        Assert.That(() => first.Backward(), Throws.InvalidOperationException.With.Message.Contains("retainGraph"));
        Assert.That((x.Gradient!.Item(), head.Gradient!.Item()), Is.EqualTo((36f, 1f)));
    }

    [Test]
    public void A_retained_graph_gives_the_same_gradients_again()
    {
        foreach (Operators.OperatorCase operation in Operators.OperatorCatalogue.Of(4))
        {
            using TensorScope scope = TensorScope.Enter();
            using var inputs = new Operators.OperatorInputs(operation, Device);
            Tensor output = operation.Apply(inputs);
            if (!output.RequiresGrad)
                continue;
            using Tensor seed = Tensor.From(
                Device,
                Initializers.Normal(1)(output.Shape, new RandomGenerator(9)),
                output.Shape
            );
            output.Backward(seed, retainGraph: true);
            float[]?[] once = [.. inputs.Leaves.Select(leaf => leaf.Gradient?.ToFloats())];
            foreach (Tensor leaf in inputs.Leaves)
                leaf.ZeroGrad();
            output.Backward(seed);
            Assert.That(inputs.Leaves.Select(leaf => leaf.Gradient?.ToFloats()), Is.EqualTo(once), operation.Name);
        }
    }

    [Test]
    public void A_leaf_is_a_graph_of_its_own()
    {
        using Tensor x = Tensor.From(Device, [4f], Shape.Scalar);
        x.RequiresGrad = true;
        x.Backward();
        Assert.That(x.Gradient!.Item(), Is.EqualTo(1));
    }

    [Test]
    public void Gradients_of_inputs_and_intermediates_are_values_and_touch_no_parameter()
    {
        using Tensor x = Leaf(2),
            weight = Leaf(3);
        (x * 1).Backward();
        Tensor hidden = x * 4;
        Tensor loss = Ops.Sum(hidden * 5 + weight);
        Tensor[] gradients = Gradients.Of(loss, retainGraph: true, x, hidden);
        Assert.That(gradients.Select(gradient => gradient.Item()), Is.EqualTo(new float[] { 20, 5 }));
        Assert.That((x.Gradient!.Item(), weight.Gradient), Is.EqualTo((1f, (Tensor?)null)));
        loss.Backward();
        Assert.That((x.Gradient!.Item(), weight.Gradient!.Item()), Is.EqualTo((21f, 1f)));
        using Tensor stranger = Leaf(1);
        Assert.That(
            () => Gradients.Of(Ops.Sum(x * 2), stranger),
            Throws.ArgumentException.With.Message.Contains("not computed")
        );
    }

    [Test]
    public void An_intermediate_keeps_its_gradient_where_it_is_asked_to()
    {
        using Tensor x = Leaf(-2);
        Tensor hidden = x * 3;
        hidden.RetainGradient();
        Ops.Sum(Ops.Relu(hidden * -1) * 5).Backward();
        Assert.That((hidden.Gradient!.Item(), x.Gradient!.Item()), Is.EqualTo((-5f, -15f)));
    }

    [Test]
    public void A_view_of_a_gradient_sees_what_is_added_and_ends_with_it()
    {
        using Tensor x = Leaf(2);
        Ops.Sum(x * 3).Backward();
        Tensor view = x.Gradient!;
        Ops.Sum(x * 4).Backward();
        Assert.That(view.Item(), Is.EqualTo(7));
        Tensor kept = x.Gradient!.Keep();
        x.ZeroGrad();
        Assert.That(() => Leaf(1).Gradient, Is.Null);
        Ops.Sum(x * 9).Backward();
        Assert.That((kept.Item(), x.Gradient!.Item()), Is.EqualTo((7f, 9f)));
        kept.Dispose();
        view = x.Gradient!;
        x.ZeroGrad();
        Assert.That(() => view.Item(), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("cleared"));
    }

    [Test]
    public void Writing_over_an_operator_s_output_is_refused_and_over_its_detached_self_is_noticed()
    {
        using Tensor x = Leaf(2);
        Tensor output = Ops.Softmax(x);
        Assert.That(
            () => output.CopyFrom<float>([1f]),
            Throws.InvalidOperationException.With.Message.Contains("Detach()")
        );
        output.Detach().CopyFrom<float>([0.5f]);
        Assert.That(
            () => Ops.Sum(output).Backward(),
            Throws.InvalidOperationException.With.Message.Contains("softmax")
        );
        Assert.That(x.Gradient, Is.Null);
    }

    [Test]
    public void A_weight_that_an_optimizer_stepped_is_named_when_its_old_value_is_needed()
    {
        using Linear first = Constant(2),
            second = Constant(3);
        using var model = new Sequential(first, second);
        using var optimizer = new FusedAdam(model.Parameters());
        using Tensor x = Tensor.From(Device, [1f], [1, 1]);
        Tensor early = Ops.Sum(model.Forward(x));
        Ops.Sum(model.Forward(x)).Backward();
        optimizer.Step();
        optimizer.ZeroGrad();
        Assert.That(() => early.Backward(), Throws.InvalidOperationException.With.Message.Contains("'1.weight'"));
        Assert.That(model.Parameters().Select(parameter => parameter.Gradient), Has.All.Null);
    }

    [Test]
    public void What_the_values_of_a_frozen_layer_are_needed_for_is_all_that_is_checked()
    {
        // d(w x)/dw needs x, and d/dx is not needed: w may change.
        using Linear layer = Constant(2);
        using Tensor x = Tensor.From(Device, [5f], [1, 1]);
        Tensor loss = Ops.Sum(layer.Forward(x));
        layer.Weight.CopyFrom<float>([100f]);
        loss.Backward();
        Assert.That(layer.Weight.Gradient!.Item(), Is.EqualTo(5));
    }

    [Test]
    public void A_parameter_written_through_a_view_is_cast_again()
    {
        using Linear layer = Constant(2);
        using Tensor x = Tensor.From(Device, [1f], [1, 1]);
        using (NoGrad.Enter())
        using (Autocast.Enter(PrecisionPolicy.Float16))
        {
            Assert.That(layer.Forward(x).Item(), Is.EqualTo(2));
            layer.Weight.Detach().CopyFrom<float>([7f]);
            Assert.That(layer.Forward(x).Item(), Is.EqualTo(7));
        }
    }

    [Test]
    public void A_failed_backward_pass_leaves_no_gradient_that_looks_whole()
    {
        using Tensor x = Leaf(2);
        Ops.Sum(x * 3).Backward();
        Tensor y = x * 5;
        var failing = new FailingNode(Tensor.Zeros(Device, DType.Float32, [1]), x);
        Tensor bad = Ops.Record(failing);
        Assert.That(() => Ops.Sum(y + bad).Backward(), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => x.Gradient, Throws.InvalidOperationException.With.Message.Contains("ZeroGrad"));
        x.ZeroGrad();
        Ops.Sum(x * 3).Backward();
        Assert.That(x.Gradient!.Item(), Is.EqualTo(3));
    }

    [Test]
    public void A_graph_whose_scope_has_ended_is_refused_by_name()
    {
        using Tensor x = Leaf(2);
        Tensor kept;
        using (TensorScope.Enter())
            kept = (x * 3).Keep();
        Assert.That(
            () => Ops.Sum(kept * 2).Backward(),
            Throws.InvalidOperationException.With.Message.Contains("TensorScope")
        );
        Ops.Sum(kept.Detach() + x).Backward();
        Assert.That(x.Gradient!.Item(), Is.EqualTo(1));
        kept.Dispose();
    }

    [Test]
    public void An_optimizer_s_parameters_neither_move_away_nor_are_stepped_when_they_are_gone()
    {
        using Device other = Kind.Open();
        using Linear layer = Constant(2);
        using var optimizer = new FusedAdam(layer.Parameters());
        using Tensor x = Tensor.From(Device, [1f], [1, 1]);
        Assert.That(() => layer.To(other), Throws.InvalidOperationException.With.Message.Contains("optimizer"));
        Tensor loss = Ops.Sum(layer.Forward(x));
        layer.Dispose();
        loss.Backward();
        Assert.That(() => optimizer.Step(), Throws.TypeOf<ObjectDisposedException>());
    }

    private Linear Constant(float value) =>
        new Linear(1, 1, bias: false, initializer: Initializers.Constant(value)).To(Device);

    private Tensor Leaf(float value)
    {
        Tensor tensor = Tensor.From(Device, [value], [1]);
        tensor.RequiresGrad = true;
        return tensor;
    }

    private sealed class FailingNode(Tensor output, Tensor input) : Node("failing", output, input)
    {
        public override void Backward()
        {
            _ = input.GradientBuffer.Open();
            throw new NotSupportedException();
        }
    }
}
