namespace NativeAmp.Training.Tests.Operators;

/// <summary>
/// A batch without samples, the last one of a filtered data set: shapes and zero gradients, as in PyTorch.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class EmptyBatchTests(DeviceKind kind)
{
    [Test]
    public void Shapes_follow_the_samples_and_gradients_are_zero()
    {
        using Device device = kind.Open();
        foreach ((OperatorCase empty, OperatorCase full) in OperatorCatalogue.Of(0).Zip(OperatorCatalogue.Of(4)))
        {
            using TensorScope scope = TensorScope.Enter();
            using var none = new OperatorInputs(empty, device);
            using var some = new OperatorInputs(full, device);
            Tensor output = empty.Apply(none);
            Assert.That(output.Shape, Is.EqualTo(WithoutSamples(full.Apply(some).Shape)), empty.Name);
            if (!output.RequiresGrad)
                continue;
            using Tensor seed = Tensor.Zeros(device, DType.Float32, output.Shape);
            output.Backward(seed);
            foreach (Tensor leaf in none.Leaves.Where(leaf => leaf.Count > 0))
                Assert.That(leaf.Gradient!.ToFloats(), Has.All.Zero, empty.Name);
        }
    }

    [Test]
    public void Running_statistics_are_left_alone_by_no_samples()
    {
        using Device device = kind.Open();
        using BatchNorm2d norm = new BatchNorm2d(2).To(device);
        using Tensor nothing = Tensor.Zeros(device, DType.Float32, [0, 2, 3, 3]);
        using (TensorScope.Enter())
            norm.Forward(nothing);
        Assert.That(norm.RunningMean.ToFloats(), Is.EqualTo(new float[] { 0, 0 }));
        Assert.That(norm.RunningVariance.ToFloats(), Is.EqualTo(new float[] { 1, 1 }));
    }

    [Test]
    public void Rows_without_elements_are_refused_by_the_operator_s_name()
    {
        using Device device = kind.Open();
        using Tensor rows = Tensor.Zeros(device, DType.Float32, [3, 0]);
        (string Name, Func<Tensor> Apply)[] all =
        [
            ("Softmax", () => Ops.Softmax(rows)),
            ("ArgMax", () => Ops.ArgMax(rows)),
            ("LayerNorm", () => Ops.LayerNorm(rows, null, null)),
            ("RmsNorm", () => Ops.RmsNorm(rows, null)),
        ];
        foreach ((string name, Func<Tensor> apply) in all)
            Assert.That(
                apply,
                Throws.ArgumentException.With.Message.EqualTo(
                    $"{name} cannot take float32 tensor [3, 0]: its rows must have an element."
                )
            );
        using Tensor weight = Tensor.Zeros(device, DType.Float32, [2, 4]);
        Assert.That(
            () => Ops.Linear(rows, weight),
            Throws.ArgumentException.With.Message.StartsWith("Linear cannot take float32 tensor [3, 0]")
        );
    }

    // Every operator of the catalogue has its samples outermost, except those that permute or sum them.
    private static Shape WithoutSamples(Shape shape) =>
        new([.. shape.Dimensions.ToArray().Select((size, i) => i == Samples(shape) ? 0 : size)]);

    private static int Samples(Shape shape) => shape == new Shape(3, 4, 2) ? 1 : 0;
}
