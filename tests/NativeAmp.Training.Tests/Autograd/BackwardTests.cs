namespace NativeAmp.Training.Tests.Autograd;

/// <summary>Backward passes over different graphs, also in wrong use.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class BackwardTests(DeviceKind kind) : DeviceTests(kind)
{
    [Test]
    public void A_product_of_two_dtypes_is_of_the_widest_and_its_gradients_are_of_their_tensors()
    {
        using Tensor b = Leaf([0.25f, 4]);
        using Tensor a = Tensor.From(b.Device, [(BFloat16)2, (BFloat16)(-3)], [2]);
        a.RequiresGrad = true;

        Tensor product = a * b;
        Assert.That(product.DType, Is.EqualTo(DType.Float32));
        Assert.That(product.ToFloats(), Is.EqualTo(new[] { 0.5f, -12 }));
        Ops.Sum(product).Backward();

        Assert.Multiple(() =>
        {
            Assert.That(a.Gradient!.DType, Is.EqualTo(DType.BFloat16));
            Assert.That(a.Gradient!.ToFloats(), Is.EqualTo(new[] { 0.25f, 4 }));
            Assert.That(b.Gradient!.ToFloats(), Is.EqualTo(new[] { 2f, -3 }));
        });
    }

    [Test]
    public void A_leaf_used_twice_gets_the_sum_of_its_gradients()
    {
        using Tensor x = Leaf([1, 2, 3]);
        Ops.Sum(x * 2 + x * 3).Backward();
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 5, 5, 5 }));
    }

    [Test]
    public void Gradients_accumulate_over_backward_passes_until_they_are_cleared()
    {
        using Tensor x = Leaf([1, 2]);
        Ops.Sum(x * 2).Backward();
        Ops.Sum(x * 3).Backward();
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 5, 5 }));
        x.ZeroGrad();
        Assert.That(x.Gradient, Is.Null);
        Ops.Sum(x * 7).Backward();
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 7, 7 }));
    }

    [Test]
    public void A_broadcast_operand_gets_the_sum_over_what_it_was_added_to()
    {
        using Tensor x = Leaf([1, 2, 3, 4, 5, 6], [3, 2]);
        using Tensor bias = Leaf([10, 20]);
        Tensor sum = x - bias;
        Assert.That(sum.ToFloats(), Is.EqualTo(new float[] { -9, -18, -7, -16, -5, -14 }));
        Ops.Sum(sum).Backward();
        Assert.That(bias.Gradient!.ToFloats(), Is.EqualTo(new float[] { -3, -3 }));
    }

    [Test]
    public void A_residual_branch_does_not_disturb_the_gradient_that_it_shares()
    {
        // x + relu(x): the sum's gradient goes to both, and the ReLU must not overwrite the gradient of x.
        using Tensor x = Leaf([-1, 2]);
        Tensor stem = x * 1.5f;
        Ops.Sum(stem + Ops.Relu(stem)).Backward();
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 1.5f, 3 }));
    }

    [Test]
    public void Reshape_and_permute_carry_gradients_back_in_the_input_s_order()
    {
        using Tensor x = Leaf([1, 2, 3, 4, 5, 6], [2, 3]);
        using Tensor weights = Tensor.From(Device, [1f, 2, 3, 4, 5, 6], [3, 2]);
        Tensor permuted = Ops.Permute(x, 1, 0);
        Assert.That(permuted.ToFloats(), Is.EqualTo(new float[] { 1, 4, 2, 5, 3, 6 }));
        permuted.Backward(weights);
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 1, 3, 5, 2, 4, 6 }));
        Assert.That(x.Reshape(3, -1).Shape, Is.EqualTo(new Shape(3, 2)));
    }

    [Test]
    public void Rows_take_their_gradient_to_where_they_came_from()
    {
        using Tensor x = Leaf([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
        Tensor rows = Ops.Rows(x, 1, 2);
        Assert.That(rows.ToFloats(), Is.EqualTo(new float[] { 3, 4, 5, 6 }));
        (Ops.Sum(rows * 2) + Ops.Sum(Ops.Rows(x, 2, 2))).Backward();
        Assert.That(x.Gradient!.ToFloats(), Is.EqualTo(new float[] { 0, 0, 2, 2, 3, 3, 1, 1 }));
        Assert.That(Ops.Rows(x, 4, 0).Count, Is.Zero);
        foreach ((long first, long count) in new[] { (-1L, 1L), (0L, -1L), (3L, 2L), (5L, 0L), (1L, long.MaxValue) })
            Assert.That(() => Ops.Rows(x, first, count), Throws.ArgumentException.With.Message.Contains("outermost"));
    }

    [Test]
    public void Nothing_is_recorded_under_NoGrad_and_behind_Detach()
    {
        using Tensor x = Leaf([1, 2]);
        using (NoGrad.Enter())
        {
            Assert.That(GradMode.IsEnabled, Is.False);
            Assert.That((x * 2).RequiresGrad, Is.False);
        }

        Assert.That(GradMode.IsEnabled, Is.True);
        Assert.That((x.Detach() * 2).RequiresGrad, Is.False);
        Assert.That((x * 2).RequiresGrad, Is.True);
    }

    [Test]
    public void Backward_twice_is_an_error_that_says_what_to_do()
    {
        using Tensor x = Leaf([1, 2]);
        Tensor loss = Ops.Sum(x * 2);
        loss.Backward();
        Assert.That(() => loss.Backward(), Throws.InvalidOperationException.With.Message.Contains("retainGraph"));
    }

    [Test]
    public void Backward_from_what_is_no_scalar_names_its_shape()
    {
        using Tensor x = Leaf([1, 2]);
        Tensor y = x * 2;
        Assert.That(() => y.Backward(), Throws.InvalidOperationException.With.Message.Contains("[2]"));
    }

    [Test]
    public void Backward_from_what_requires_no_gradient_is_an_error()
    {
        using Tensor x = Tensor.From(Device, [1f], Shape.Scalar);
        Assert.That(() => x.Backward(), Throws.InvalidOperationException.With.Message.Contains("requires gradients"));
    }

    [Test]
    public void A_loss_stays_readable_after_Backward_and_an_intermediate_says_why_it_does_not()
    {
        using Tensor x = Leaf([1, 2]);
        Tensor hidden = x * 2;
        Tensor kept = (x * 3).Keep();
        Tensor loss = Ops.Sum(hidden + kept);
        loss.Backward();
        Assert.That(loss.Item(), Is.EqualTo(15));
        Assert.That(kept.ToFloats(), Is.EqualTo(new float[] { 3, 6 }));
        kept.Dispose();
        Assert.That(() => hidden.ToFloats(), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("Keep()"));
    }

    [Test]
    public void A_disposed_tensor_cannot_be_used()
    {
        Tensor x = Leaf([1, 2]);
        x.Dispose();
        Assert.That(() => x * 2, Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("disposed"));
    }

    [Test]
    public void What_a_scope_owned_is_gone_after_it_unless_it_was_kept()
    {
        using Tensor x = Leaf([1, 2]);
        long before = Device.MemoryStatistics.LiveTotalBytes;
        Tensor gone,
            kept;
        using (TensorScope.Enter())
        {
            gone = x * 2;
            kept = (x * 3).Keep();
        }

        Assert.That(
            () => gone.ToFloats(),
            Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("scope").IgnoreCase
        );
        Assert.That(kept.ToFloats(), Is.EqualTo(new float[] { 3, 6 }));
        kept.Dispose();
        Assert.That(Device.MemoryStatistics.LiveTotalBytes, Is.EqualTo(before));
    }

    [Test]
    public void Scopes_are_closed_the_innermost_first()
    {
        TensorScope outer = TensorScope.Enter();
        TensorScope inner = NoGrad.Enter();
        Assert.That(outer.Dispose, Throws.InvalidOperationException);
        inner.Dispose();
        inner.Dispose();
        outer.Dispose();
        Assert.That(GradMode.IsEnabled, Is.True);
    }

    [Test]
    public void Shapes_that_do_not_fit_are_both_named()
    {
        using Tensor x = Leaf([1, 2, 3, 4, 5, 6], [2, 3]);
        using Tensor weight = Leaf([1, 2, 3, 4], [2, 2]);
        Assert.That(
            () => Ops.Linear(x, weight),
            Throws.ArgumentException.With.Message.Contains("[2, 3]").And.Message.Contains("[2, 2]")
        );
        Assert.That(
            () => x + weight,
            Throws.ArgumentException.With.Message.Contains("[2, 3]").And.Message.Contains("[2, 2]")
        );
        Assert.That(() => x.Reshape(4, 2), Throws.ArgumentException.With.Message.Contains("[4, 2]"));
        Assert.That(() => Ops.Permute(x, 0, 0), Throws.ArgumentException);
    }

    [Test]
    public void Tensors_of_two_devices_do_not_mix()
    {
        using Device other = Kind.Open();
        using Tensor x = Leaf([1, 2]);
        using Tensor y = Tensor.From(other, [1f, 2], [2]);
        Assert.That(() => x + y, Throws.ArgumentException.With.Message.Contains("device"));
    }

    [Test]
    public void Integers_have_no_gradients_and_floats_are_no_indices()
    {
        using Tensor integers = Tensor.From(Device, [1, 2], [2]);
        using Tensor x = Leaf([1, 2, 3, 4], [2, 2]);
        Assert.That(() => integers.RequiresGrad = true, Throws.InvalidOperationException);
        Assert.That(() => Ops.Relu(integers), Throws.ArgumentException);
        Assert.That(() => Ops.Embedding(x, x), Throws.ArgumentException.With.Message.Contains("int32"));
        Assert.That(() => Loss.CrossEntropy(x, x), Throws.ArgumentException.With.Message.Contains("int32"));
    }

    [Test]
    public void Elements_come_back_as_they_went_in_and_only_in_their_own_type()
    {
        using Tensor halves = Tensor.From(Device, [(Half)1.5f, Half.NaN], [2]);
        Assert.That(halves.DType, Is.EqualTo(DType.Float16));
        Assert.That(halves.ToArray<Half>(), Is.EqualTo(new[] { (Half)1.5f, Half.NaN }));
        Assert.That(halves.ToFloats(), Is.EqualTo(new[] { 1.5f, float.NaN }));
        Assert.That(() => halves.ToArray<float>(), Throws.ArgumentException);
        Assert.That(() => Tensor.From(Device, [1f, 2], [3]), Throws.ArgumentException.With.Message.Contains("[3]"));
        Assert.That(() => halves.Item(), Throws.InvalidOperationException);
    }

    private Tensor Leaf(float[] values, Shape? shape = null)
    {
        Tensor tensor = Tensor.From(Device, values, shape ?? [values.Length]);
        tensor.RequiresGrad = true;
        return tensor;
    }
}
