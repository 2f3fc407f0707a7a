using NativeAmp.Training;

namespace NativeAmp.Cli.Bench;

/// <summary>An operator of a GPT's training step over tensors of its own.</summary>
internal sealed class GptOperator : IDisposable
{
    private readonly Tensor[] _tensors;
    private readonly Func<Tensor[], Tensor> _compute;
    private readonly Tensor? _upstream;

    // The first given of the tensors have gradients.
    private GptOperator(
        string name,
        GptCost cost,
        int withGradient,
        Tensor? upstream,
        Func<Tensor[], Tensor> compute,
        params Tensor[] tensors
    )
    {
        Name = name;
        Cost = cost;
        _compute = compute;
        _upstream = upstream;
        _tensors = tensors;
        foreach (Tensor tensor in tensors.Take(withGradient))
            tensor.RequiresGrad = true;
    }

    public string Name { get; }

    public GptCost Cost { get; }

    /// <summary>The operators of a shape, in the order of the forward pass. Each is made when it is called.</summary>
    public static IEnumerable<Func<Device, GptOperator>> All(GptShape shape)
    {
        long width = shape.Size.Width;
        yield return device => LayerNorm(device, shape);
        yield return device => Linear(device, shape, "linear, queries, keys and values", width, 3 * width);
        yield return device => Attention(device, shape);
        yield return device => Linear(device, shape, "linear, projection", width, width);
        yield return device => Linear(device, shape, "linear and GELU", width, 4 * width, shape.Options.Activation);
        yield return device => Linear(device, shape, "linear, contraction", 4 * width, width);
        yield return device => Linear(device, shape, "linear, head", width, shape.Vocabulary, hasBias: false);
        yield return device => CrossEntropy(device, shape);
    }

    /// <summary>Runs it once, without what a backward pass needs.</summary>
    public void Forward()
    {
        using TensorScope scope = TensorScope.Enter();
        using NoGrad noGrad = NoGrad.Enter();
        _compute(_tensors);
    }

    /// <summary>Runs it and its backward pass once.</summary>
    public void Train()
    {
        using TensorScope scope = TensorScope.Enter();
        Tensor output = _compute(_tensors);
        if (_upstream is null)
            output.Backward();
        else
            output.Backward(_upstream);
        foreach (Tensor tensor in _tensors)
        {
            if (tensor.RequiresGrad)
                tensor.ZeroGrad();
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _tensors)
            tensor.Dispose();
        _upstream?.Dispose();
    }

    private static GptOperator Linear(
        Device device,
        GptShape shape,
        string name,
        long inputs,
        long outputs,
        Activation activation = Activation.None,
        bool hasBias = true
    )
    {
        Tensor[] bias = hasBias ? [Filled(device, shape.DType, [outputs], 3)] : [];
        return new GptOperator(
            $"{name}, {inputs} to {outputs}",
            shape.Linear(inputs, outputs),
            2 + bias.Length,
            Filled(device, shape.DType, Rows(shape, outputs), 4),
            t => Ops.Linear(t[0], t[1], t.ElementAtOrDefault(2), activation),
            [
                Filled(device, shape.DType, Rows(shape, inputs), 1),
                Filled(device, shape.DType, [outputs, inputs], 2),
                .. bias,
            ]
        );
    }

    private static GptOperator LayerNorm(Device device, GptShape shape)
    {
        Shape rows = Rows(shape, shape.Size.Width);
        return new GptOperator(
            "layer norm",
            shape.LayerNorm,
            3,
            Filled(device, shape.DType, rows, 4),
            t => Ops.LayerNorm(t[0], t[1], t[2], outputType: shape.DType),
            Filled(device, DType.Float32, rows, 1),
            Filled(device, DType.Float32, [shape.Size.Width], 2),
            Filled(device, DType.Float32, [shape.Size.Width], 3)
        );
    }

    private static GptOperator Attention(Device device, GptShape shape) =>
        new(
            "attention, causal",
            shape.Attention,
            1,
            Filled(device, shape.DType, Rows(shape, shape.Size.Width), 4),
            t => Ops.PackedAttention(t[0], shape.Size.Heads, causal: true, past: null),
            Filled(device, shape.DType, Rows(shape, 3L * shape.Size.Width), 1)
        );

    private static GptOperator CrossEntropy(Device device, GptShape shape) =>
        new(
            "cross-entropy",
            shape.CrossEntropy,
            1,
            upstream: null,
            t => Loss.CrossEntropy(t[0], t[1]),
            Filled(device, shape.DType, Rows(shape, shape.Vocabulary), 1),
            TokensOf(device, shape)
        );

    /// <summary>Token numbers [batch, context].</summary>
    public static Tensor TokensOf(Device device, GptShape shape)
    {
        var random = new Random(7);
        int[] tokens = [.. Enumerable.Range(0, checked((int)shape.Tokens)).Select(_ => random.Next(shape.Vocabulary))];
        return Tensor.From(device, tokens, [shape.Batch, shape.Size.Context]);
    }

    private static Shape Rows(GptShape shape, long width) => [shape.Batch, shape.Size.Context, width];

    // Small numbers, repeated after some thousands by copies on the device, which of a large tensor are far quicker
    // than numbers of the host.
    private static unsafe Tensor Filled(Device device, DType dtype, Shape shape, int seed)
    {
        var random = new Random(seed);
        long count = Math.Min(shape.Count, 8191);
        float[] values = [.. Enumerable.Range(0, (int)count).Select(_ => (float)(random.NextDouble() - 0.5) / 4)];
        using Tensor first = Tensor.From(device, values, [count]);
        using TensorScope scope = TensorScope.Enter();
        Tensor narrow = Ops.Cast(first, dtype);
        Tensor filled = Tensor.Empty(device, dtype, shape);
        long bytes = shape.Count * dtype.SizeInBytes();
        long there = count * dtype.SizeInBytes();
        device.CopyOnDevice((nint)filled.Pointer, (nint)narrow.Pointer, there);
        while (there < bytes)
        {
            long more = Math.Min(there, bytes - there);
            device.CopyOnDevice((nint)filled.Pointer + (nint)there, (nint)filled.Pointer, more);
            there += more;
        }

        return filled;
    }
}
