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
        yield return device => Head(device, shape);
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
        Activation activation = Activation.None
    ) =>
        new(
            $"{name}, {inputs} to {outputs}",
            shape.Linear(inputs, outputs),
            3,
            Filled(device, shape.DType, Rows(shape, outputs), 4),
            t => Ops.Linear(t[0], t[1], t[2], activation),
            Filled(device, shape.DType, Rows(shape, inputs), 1),
            Filled(device, shape.DType, [outputs, inputs], 2),
            Filled(device, shape.DType, [outputs], 3)
        );

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

    // As the model has it: a float32 weight with a compute copy.
    private static GptOperator Head(Device device, GptShape shape)
    {
        int width = shape.Size.Width;
        var weight = new Parameter(Drawn(shape.Vocabulary * (long)width, 2), [shape.Vocabulary, width]);
        weight.MoveTo(device);
        PrecisionPolicy policy = PrecisionPolicy.Float32.WithCompute(shape.DType);
        return new GptOperator(
            $"head and cross-entropy, {width} to {shape.Vocabulary}",
            shape.Head,
            2,
            upstream: null,
            t =>
            {
                using AutocastScope autocast = Autocast.Enter(policy);
                return Loss.LinearCrossEntropy(t[0], t[1], t[2]);
            },
            Filled(device, shape.DType, Rows(shape, width), 1),
            weight,
            TokensOf(device, shape)
        );
    }

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
        long count = Math.Min(shape.Count, 8191);
        float[] values = Drawn(count, seed);
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

    private static float[] Drawn(long count, int seed)
    {
        var random = new Random(seed);
        var values = new float[count];
        foreach (ref float value in values.AsSpan())
            value = (random.NextSingle() - 0.5f) / 4;
        return values;
    }
}
