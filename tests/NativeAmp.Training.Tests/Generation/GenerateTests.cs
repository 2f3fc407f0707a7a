using NativeAmp.Training.Quantization;

namespace NativeAmp.Training.Tests.Generation;

/// <summary>A cache gives what the whole sequence gives, computed anew for each token.</summary>
internal sealed class GenerateTests
{
    private const int Context = 40;

    private static readonly int[] Prompt = [.. "the quick brown".Select(letter => (int)letter)];

    private static Gpt Create(Device device, ulong seed)
    {
        var options = new GptOptions
        {
            Context = Context,
            Width = 64,
            Heads = 4,
            Blocks = 2,
        };
        Gpt model = new Gpt(options, new RandomGenerator(seed)).To(device);
        // Initial weights give nearly equal logits.
        foreach (Parameter parameter in model.Parameters().Where(parameter => parameter.Shape.Rank == 2))
            parameter.CopyFrom<float>(Array.ConvertAll(parameter.ToArray<float>(), value => 5 * value));
        model.Eval();
        return model;
    }

    // All rows of a sequence, without a cache.
    private static float[] Logits(Gpt model, IReadOnlyList<int> tokens)
    {
        using NoGrad noGrad = NoGrad.Enter();
        using Tensor input = Tensor.From(model.Positions.Device, [.. tokens], [1, tokens.Count]);
        return model.Forward(input).ToFloats();
    }

    private static List<int> Recomputed(Gpt model, int[] prompt, int count)
    {
        List<int> all = [.. prompt];
        for (int i = 0; i < count; i++)
        {
            float[] last = Logits(model, all)[^256..];
            all.Add(Array.IndexOf(last, last.Max()));
        }

        return all[prompt.Length..];
    }

    private static readonly GenerationOptions Greedy = new() { Temperature = 0 };

    [TestCaseSource(typeof(TestDevices), nameof(TestDevices.All))]
    public void Greedy_tokens_are_those_of_the_whole_sequence(DeviceKind kind)
    {
        using Device device = kind.Open();
        int count = kind == DeviceKind.Cpu ? Context - Prompt.Length + 1 : 6;
        foreach (ulong seed in kind == DeviceKind.Cpu ? (ulong[])[1, 2, 3] : [1])
        {
            using Gpt model = Create(device, seed);
            List<int> generated = [.. model.Generate(Prompt, Greedy with { Tokens = count })];
            Assert.That(generated, Is.EqualTo(Recomputed(model, Prompt, count)));
            Assert.That(generated.Distinct().Count(), Is.GreaterThan(1), "the model says something");
        }
    }

    [TestCase(QuantizationKind.Int8)]
    [TestCase(QuantizationKind.Int8Dynamic)]
    [TestCase(QuantizationKind.Int4)]
    [TestCase(QuantizationKind.Int4Dynamic)]
    public void So_they_are_with_integers(QuantizationKind kind)
    {
        using var device = Device.Cpu();
        foreach (ulong seed in (ulong[])[1, 2])
        {
            using Gpt model = Create(device, seed);
            Quantizer.Quantize(model, new QuantizationScheme { Kind = kind });
            Assert.That(
                model.Generate(Prompt, Greedy),
                Is.EqualTo(Recomputed(model, Prompt, Context - Prompt.Length + 1))
            );
        }
    }

    [Test]
    public void A_trained_model_goes_on_with_its_text()
    {
        using var device = Device.Cpu();
        var options = new GptOptions
        {
            Context = 32,
            Width = 32,
            Heads = 2,
            Blocks = 1,
        };
        using Gpt model = new Gpt(options, new RandomGenerator(1)).To(device);
        using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-2f });
        int[] text = [.. string.Concat(Enumerable.Repeat("the quick brown fox. ", 3)).Select(letter => (int)letter)];
        using Tensor input = Tensor.From(device, text[..32], [1, 32]);
        using Tensor target = Tensor.From(device, text[1..33], [32]);
        for (int step = 0; step < 60; step++)
        {
            using TensorScope scope = TensorScope.Enter();
            Loss.CrossEntropy(model.Forward(input).Reshape(32, 256), target).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
        }

        model.Eval();
        int[] generated = [.. model.Generate(text[..4], Greedy with { Tokens = 28 })];
        Assert.That(generated, Is.EqualTo(text[4..32]));
        Assert.That(generated, Is.EqualTo(Recomputed(model, text[..4], 28)));
    }

    /// <summary>
    /// Products add in another order for another number of rows: float32 differs by about its rounding; a half differs
    /// by a few of its units, for a rounded activation may fall to the other side.
    /// </summary>
    [Test]
    public void Logits_are_those_of_the_whole_sequence_in_every_precision(
        [ValueSource(typeof(TestDevices), nameof(TestDevices.All))] DeviceKind kind,
        [Values("float32", "float16", "bfloat16")] string precision
    )
    {
        using Device device = kind.Open();
        using Gpt model = Create(device, 1);
        double tolerance = precision switch
        {
            "float32" => 2e-6,
            "float16" => 1e-2,
            _ => 8e-2,
        };
        int length = kind == DeviceKind.Cpu ? Context : 21;
        int[] tokens = [.. Enumerable.Range(0, length).Select(i => (i * 37 % 101) + 32)];
        using AutocastScope autocast = Autocast.Enter(PrecisionPolicy.Parse(precision));
        float[] whole = Logits(model, tokens);
        float scale = whole.Max(Math.Abs);
        using var cache = new KeyValueCache(model);
        List<float> cached = [];
        using (NoGrad.Enter())
        {
            // A prompt, a few tokens, and token by token.
            foreach (
                int[] part in (int[][])[tokens[..12], tokens[12..17], .. tokens[17..].Select(token => new[] { token })]
            )
            {
                using Tensor input = Tensor.From(device, part, [1, part.Length]);
                cached.AddRange(model.Forward(input, cache).ToFloats());
            }
        }

        Assert.That(cache.Length, Is.EqualTo(length));
        Assert.That(whole.Zip(cached, (a, b) => Math.Abs(a - b)).Max() / scale, Is.LessThan(tolerance));
    }

    [Test]
    public void Sequences_of_a_batch_do_not_mix()
    {
        using var device = Device.Cpu();
        using Gpt model = Create(device, 1);
        int[] first = Prompt[..8];
        int[] second = [.. first.Reverse()];
        using var cache = new KeyValueCache(model, batch: 2, context: 10);
        using NoGrad noGrad = NoGrad.Enter();
        using Tensor prompts = Tensor.From(device, [.. first[..7], .. second[..7]], [2, 7]);
        using Tensor next = Tensor.From(device, [first[7], second[7]], [2, 1]);
        model.Forward(prompts, cache);
        float[] logits = model.Forward(next, cache).ToFloats();
        Assert.That(logits[..256], Is.EqualTo(Logits(model, first)[^256..]).Within(1e-4));
        Assert.That(logits[256..], Is.EqualTo(Logits(model, second)[^256..]).Within(1e-4));
    }

    [Test]
    public void A_cache_goes_on_and_goes_back()
    {
        using var device = Device.Cpu();
        using Gpt model = Create(device, 2);
        using var cache = new KeyValueCache(model);
        List<int> first = [.. model.Generate(Prompt, Greedy with { Tokens = 5 }, cache)];
        Assert.That(cache.Length, Is.EqualTo(Prompt.Length + 4), "the last token was not computed with");
        List<int> more = [.. model.Generate([first[^1]], Greedy with { Tokens = 5 }, cache)];
        cache.Truncate(Prompt.Length - 1);
        List<int> again = [.. model.Generate([Prompt[^1]], Greedy with { Tokens = 10 }, cache)];
        Assert.That(first.Concat(more), Is.EqualTo(Recomputed(model, Prompt, 10)));
        Assert.That(again, Is.EqualTo(first.Concat(more)));
        Assert.That(() => cache.Truncate(cache.Length + 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [TestCaseSource(typeof(TestDevices), nameof(TestDevices.All))]
    public void A_token_takes_no_more_memory_than_the_one_before(DeviceKind kind)
    {
        using Device device = kind.Open();
        using Gpt model = Create(device, 1);
        DeviceMemoryStatistics before = device.MemoryStatistics;
        List<(long Live, long System, long Managed)> tokens = [];
        foreach (int _ in model.Generate(Prompt, Greedy with { Tokens = kind == DeviceKind.Cpu ? 26 : 8 }))
        {
            DeviceMemoryStatistics now = device.MemoryStatistics;
            tokens.Add((now.LiveTotalBytes, now.SystemAllocations, GC.GetAllocatedBytesForCurrentThread()));
        }

        Assert.Multiple(() =>
        {
            Assert.That(tokens.Skip(2).Select(token => token.Live).Distinct().Count(), Is.EqualTo(1));
            Assert.That(tokens.Skip(2).Select(token => token.System).Distinct().Count(), Is.EqualTo(1));
            Assert.That((tokens[^1].Managed - tokens[2].Managed) / (tokens.Count - 3), Is.LessThan(32 << 10));
            foreach (MemoryKind each in (MemoryKind[])[MemoryKind.Other, MemoryKind.Activations])
                Assert.That(device.MemoryStatistics.LiveBytes(each), Is.EqualTo(before.LiveBytes(each)), "given back");
        });
    }

    [Test]
    public void More_than_the_context_is_refused_before_anything_is_computed()
    {
        using var device = Device.Cpu();
        using Gpt model = Create(device, 1);
        Assert.That(model.Generate(Prompt).Count(), Is.EqualTo(Context - Prompt.Length + 1), "to the context's end");
        ContextLengthException long_ = Assert.Throws<ContextLengthException>(() =>
            model.Generate(new int[Context + 1])
        )!;
        Assert.That((long_.Context, long_.Held, long_.Asked), Is.EqualTo((Context, 0L, Context + 1L)));
        Assert.That(
            () => model.Generate(Prompt, Greedy with { Tokens = Context - Prompt.Length + 2 }),
            Throws.InstanceOf<ContextLengthException>().With.Message.Contains($"at most {Context - Prompt.Length + 1}")
        );
        using var cache = new KeyValueCache(model, context: 4);
        using NoGrad noGrad = NoGrad.Enter();
        using Tensor three = Tensor.From(device, [1, 2, 3], [1, 3]);
        model.Forward(three, cache);
        Assert.That(() => model.Forward(three, cache), Throws.InstanceOf<ContextLengthException>());
        Assert.That(cache.Length, Is.EqualTo(3));
    }

    [Test]
    public void What_does_not_fit_is_refused()
    {
        using var device = Device.Cpu();
        using Gpt model = Create(device, 1);
        using var cache = new KeyValueCache(model);
        using var other = new Gpt(new GptOptions { Width = 32, Heads = 4 }).To(device);
        using var others = new KeyValueCache(other);
        using Tensor token = Tensor.From(device, [1], [1, 1]);
        using Tensor two = Tensor.From(device, [1, 2], [2, 1]);
        Assert.Multiple(() =>
        {
            Assert.That(() => model.Generate([]), Throws.ArgumentException.With.Message.Contains("at least one"));
            Assert.That(() => model.Generate([256]), Throws.ArgumentException.With.Message.Contains("256 is no token"));
            Assert.That(() => model.Generate([-1]), Throws.ArgumentException);
            Assert.That(() => other.Generate([1]), Throws.InvalidOperationException.With.Message.Contains("Eval"));
            foreach (
                GenerationOptions wrong in (GenerationOptions[])
                    [
                        new() { Tokens = -1 },
                        new() { Temperature = -1 },
                        new() { Temperature = double.NaN },
                        new() { TopK = -1 },
                        new() { TopP = 0 },
                        new() { TopP = double.NaN },
                    ]
            )
                Assert.That(() => model.Generate([1], wrong), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(
                () => model.Forward(token, cache),
                Throws.InvalidOperationException.With.Message.Contains("NoGrad")
            );
            using (NoGrad.Enter())
            {
                Assert.That(
                    () => model.Forward(two, cache),
                    Throws.ArgumentException.With.Message.Contains("1 sequence")
                );
                Assert.That(
                    () => model.Forward(token, others),
                    Throws.ArgumentException.With.Message.Contains("width 32")
                );
                using (Autocast.Enter(PrecisionPolicy.BFloat16))
                    Assert.That(
                        () => model.Forward(token, cache),
                        Throws.InvalidOperationException.With.Message.Contains("bfloat16")
                    );
                others.Dispose();
                Assert.That(() => model.Forward(token, others), Throws.InstanceOf<ObjectDisposedException>());
            }

            Assert.That(cache.Length, Is.Zero);
            Assert.That(() => new KeyValueCache(model, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => new KeyValueCache(model, 1, 41), Throws.InstanceOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void It_can_be_cancelled_between_tokens()
    {
        using var device = Device.Cpu();
        using Gpt model = Create(device, 1);
        using var stop = new CancellationTokenSource();
        List<int> seen = [];
        Assert.That(
            () =>
            {
                foreach (int token in model.Generate(Prompt, cancellation: stop.Token))
                {
                    seen.Add(token);
                    if (seen.Count == 3)
                        stop.Cancel();
                }
            },
            Throws.InstanceOf<OperationCanceledException>()
        );
        Assert.That(seen, Has.Count.EqualTo(3));
    }

    [Test]
    public void A_seed_gives_a_text()
    {
        using var device = Device.Cpu();
        using Gpt model = Create(device, 1);
        int[] Of(ulong seed) =>
            [.. model.Generate(Prompt, new GenerationOptions { Random = new RandomGenerator(seed) })];
        int[] first = Of(1);
        Assert.That(Of(1), Is.EqualTo(first));
        Assert.That(Of(2), Is.Not.EqualTo(first));
    }

    [TestCaseSource(typeof(TestDevices), nameof(TestDevices.All))]
    public void Attention_takes_grouped_queries_that_are_the_last_of_the_keys(DeviceKind kind)
    {
        using Device device = kind.Open();
        var random = new RandomGenerator(4);
        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextNormal())];
        float[] keys = Values(2 * 5 * 8);
        float[] queries = Values(4 * 3 * 8);
        using Tensor query = Tensor.From(device, queries, [1, 4, 3, 8]);
        using Tensor key = Tensor.From(device, keys, [1, 2, 5, 8]);
        using NoGrad noGrad = NoGrad.Enter();
        float[] output = Ops.Attention(query, key, key, causal: true).ToFloats();
        for (int row = 0; row < 4 * 3; row++)
        {
            int head = row / 3 / 2;
            double[] weights = new double[5 - 3 + (row % 3) + 1];
            for (int j = 0; j < weights.Length; j++)
                weights[j] = Math.Exp(
                    Enumerable.Range(0, 8).Sum(d => (double)queries[(row * 8) + d] * keys[(((head * 5) + j) * 8) + d])
                        / Math.Sqrt(8)
                );
            for (int d = 0; d < 8; d++)
                Assert.That(
                    output[(row * 8) + d],
                    Is.EqualTo(
                            weights.Select((weight, j) => weight * keys[(((head * 5) + j) * 8) + d]).Sum()
                                / weights.Sum()
                        )
                        .Within(1e-5)
                );
        }
    }

    [Test]
    public void Attention_refuses_keys_that_do_not_fit_by_name()
    {
        using var device = Device.Cpu();
        using Tensor query = Tensor.Zeros(device, DType.Float32, [1, 4, 3, 8]);
        using Tensor past = Tensor.Zeros(device, DType.Float32, [1, 4, 5, 8]);
        using Tensor three = Tensor.Zeros(device, DType.Float32, [1, 3, 5, 8]);
        using Tensor none = Tensor.Zeros(device, DType.Float32, [1, 4, 0, 8]);
        foreach (Tensor key in (Tensor[])[three, none])
            Assert.That(
                () => Ops.Attention(query, key, key, false),
                Throws.ArgumentException.With.Message.Contains("key")
            );
        Assert.That(
            () => Ops.Attention(past, query, query, true),
            Throws.ArgumentException.With.Message.Contains("own time")
        );
    }
}
