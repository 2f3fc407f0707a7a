namespace NativeAmp.Training.Tests.Operators;

/// <summary>
/// For every operator, loss and module, and each of its tensors: if the tensor is changed between the forward and the
/// backward pass, the result is the gradient of the forward pass's values, or an exception and no gradient.
/// </summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class WrittenBetweenTests(DeviceKind kind)
{
    private static readonly Dictionary<string, Action<Tensor, Device>> Changes = new()
    {
        ["written"] = (tensor, _) => Overwrite(tensor),
        ["written through Detach"] = (tensor, _) => Overwrite(tensor.Detach()),
        ["written through a view"] = (tensor, _) => Overwrite(WithoutGraph(() => tensor.Reshape(tensor.Count))),
        ["said to be written"] = (tensor, _) => (tensor as Parameter)?.MarkChanged(),
        ["disposed"] = (tensor, _) => tensor.Dispose(),
        ["stepped"] = Step,
        ["frozen and thawed"] = (tensor, _) => Thaw(tensor),
    };

    private static IEnumerable<string> Precisions => ["float32", "float16", "bfloat16"];

    // The tape is the same for every device; the emulated GPU takes half a minute for each precision, so there each
    // change meets each operation once, and one tensor after the other.
    private bool IsSample => kind == DeviceKind.Cuda && !TestDevices.Exhaustive;

    [Test]
    public void What_is_changed_between_forward_and_backward_is_right_or_refused(
        [ValueSource(nameof(Precisions))] string precision
    )
    {
        if (IsSample && precision != "float16")
            Assert.Ignore("with ./build.sh test --exhaustive");
        using Device device = kind.Open();
        PrecisionPolicy policy = PrecisionPolicy.Float32.WithCompute(DTypes.Parse(precision));
        int right = 0,
            refused = 0,
            turn = 0;
        foreach (OperatorCase operation in OperatorCatalogue.Of(4))
        {
            float[]?[] expected = Gradients(device, policy, operation, null, null, out _);
            int tensors = Count(device, operation);
            foreach (string change in Changes.Keys)
            {
                // The last index stands for the output.
                for (int index = 0; index <= tensors; index++)
                {
                    if (IsSample && index != turn % (tensors + 1))
                        continue;
                    float[]?[] gradients = Gradients(device, policy, operation, change, index, out Exception? error);
                    string what =
                        $"{operation.Name} in {precision}, tensor {index} of {tensors} {change}: {error?.Message}";
                    if (error is not null)
                    {
                        Assert.That(error, Is.InstanceOf<InvalidOperationException>(), what);
                        Assert.That(gradients, Has.All.Null, what);
                        refused++;
                    }
                    else
                    {
                        Assert.That(gradients, Is.EqualTo(expected), what);
                        right++;
                    }
                }

                turn++;
            }
        }

        TestContext.Out.WriteLine($"{precision} on {kind}: {right} right, {refused} refused");
        Assert.That(right, Is.GreaterThan(IsSample ? 150 : 500));
        Assert.That(refused, Is.GreaterThan(IsSample ? 30 : 100));
    }

    private static int Count(Device device, OperatorCase operation)
    {
        using var inputs = new OperatorInputs(operation, device);
        return inputs.All.Count();
    }

    /// <summary>The leaves' gradients, with a change between the passes; null for a leaf without one.</summary>
    private static float[]?[] Gradients(
        Device device,
        PrecisionPolicy policy,
        OperatorCase operation,
        string? change,
        int? index,
        out Exception? error
    )
    {
        error = null;
        using TensorScope scope = TensorScope.Enter();
        using var inputs = new OperatorInputs(operation, device);
        Tensor[] leaves = [.. inputs.Leaves];
        Tensor output;
        using (Autocast.Enter(policy))
            output = operation.Apply(inputs);
        using Tensor seed = Tensor.From(
            device,
            Initializers.Normal(1)(output.Shape, new RandomGenerator(9)),
            output.Shape
        );
        try
        {
            Tensor[] places = [.. inputs.All, output];
            if (change is not null)
                Changes[change](places[index!.Value], device);
            if (output.RequiresGrad)
                output.Backward(seed);
        }
        catch (InvalidOperationException e)
        {
            error = e;
        }

        return [.. leaves.Select(leaf => leaf.Gradient?.ToFloats())];
    }

    private static void Overwrite(Tensor tensor)
    {
        if (tensor.DType == DType.Int32)
            tensor.CopyFrom<int>(new int[tensor.Count]);
        else if (tensor.DType == DType.Float32)
            tensor.CopyFrom<float>([.. Enumerable.Repeat(0.125f, (int)tensor.Count)]);
        else if (tensor.DType == DType.Float16)
            tensor.CopyFrom<Half>([.. Enumerable.Repeat((Half)0.125f, (int)tensor.Count)]);
        else
            tensor.CopyFrom<BFloat16>([.. Enumerable.Repeat((BFloat16)0.125f, (int)tensor.Count)]);
    }

    private static Tensor WithoutGraph(Func<Tensor> view)
    {
        NoGrad scope = NoGrad.Enter();
        Tensor tensor = view().Keep();
        scope.Dispose();
        return tensor;
    }

    // A step of another loss over the parameter alone.
    private static void Step(Tensor tensor, Device device)
    {
        if (tensor is not Parameter { RequiresGrad: true } parameter)
            return;
        using var optimizer = new FusedAdam([parameter]);
        using (Autocast.Disable())
            Ops.Sum(parameter).Backward();
        optimizer.Step();
        optimizer.ZeroGrad();
    }

    private static void Thaw(Tensor tensor)
    {
        if (tensor.Producer is not null || tensor.DType == DType.Int32 || tensor is Parameter { RequiresGrad: false })
            return;
        tensor.RequiresGrad = false;
        tensor.RequiresGrad = true;
    }
}
