namespace NativeAmp.Training;

/// <content>Generation with a cache of keys and values.</content>
public sealed partial class Gpt
{
    /// <summary>
    /// Generates tokens after a prompt, one at each step of the enumeration. The prompt is computed in one pass, each
    /// token in a pass over one row. A step blocks until its token is there; an enumeration that is left early keeps
    /// nothing.
    /// </summary>
    /// <param name="prompt">Tokens, at least one.</param>
    /// <param name="options">How tokens are chosen; null for the defaults.</param>
    /// <param name="cache">A cache of one sequence whose tokens the prompt follows; it is left with all tokens but the
    /// last, which nothing was computed from. Null for a new one.</param>
    /// <param name="cancellation">Ends the enumeration before its next token.</param>
    /// <exception cref="ArgumentException">The prompt is empty, or has a number that is no token; or an option is
    /// outside of its range.</exception>
    /// <exception cref="ContextLengthException">Prompt and tokens are more than the context has room for. The last
    /// token needs no room.</exception>
    /// <exception cref="InvalidOperationException">The model is in training mode: call <see cref="Module.Eval"/>
    /// first.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<int> Generate(
        IReadOnlyList<int> prompt,
        GenerationOptions? options = null,
        KeyValueCache? cache = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(prompt);
        options ??= new GenerationOptions();
        options.Check();
        if (IsTraining)
            throw new InvalidOperationException("The model is in training mode: call Eval() before it generates.");
        if (prompt.Count == 0)
            throw new ArgumentException("A prompt has at least one token.", nameof(prompt));
        int[] tokens = [.. prompt];
        if (Array.Find(tokens, token => token < 0 || token >= Options.Vocabulary) is var wrong and not 0)
            throw new ArgumentException(
                $"{wrong} is no token: there are {Options.Vocabulary}, from 0 on.",
                nameof(prompt)
            );
        int context = cache?.Context ?? Options.Context;
        long held = cache?.Length ?? 0;
        long room = context - held - tokens.Length;
        if (room < 0 || options.Tokens - 1 > room)
            throw new ContextLengthException(
                context,
                held,
                tokens.Length + Math.Max(0L, (options.Tokens ?? 1) - 1),
                room < 0 ? "Give a shorter prompt." : $"Ask for at most {room + 1} tokens."
            );
        return Steps(tokens, options.Tokens ?? (int)room + 1, options, cache, cancellation);
    }

    private IEnumerable<int> Steps(
        int[] prompt,
        int count,
        GenerationOptions options,
        KeyValueCache? given,
        CancellationToken cancellation
    )
    {
        if (count == 0)
            yield break;
        // Scopes follow the flow of control: none may be open while the caller has it.
        KeyValueCache cache =
            given ?? Under(options.Precision, () => new KeyValueCache(this, 1, prompt.Length + count - 1));
        try
        {
            var sampler = new TokenSampler(options, Options.Vocabulary);
            float[] logits = new float[Options.Vocabulary];
            using Tensor next = Tensor.Empty(Positions.Device, DType.Int32, [1, 1]);
            for (int i = 0; i < count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (i == 0)
                {
                    using Tensor first = Tensor.From(Positions.Device, prompt, [1, prompt.Length]);
                    Under(options.Precision, () => LastLogits(first, cache, logits));
                }
                else
                    Under(options.Precision, () => LastLogits(next, cache, logits));
                int token = sampler.Draw(logits);
                next.CopyFrom<int>([token]);
                yield return token;
            }
        }
        finally
        {
            if (given is null)
                cache.Dispose();
        }
    }

    private bool LastLogits(Tensor tokens, KeyValueCache cache, float[] logits)
    {
        using NoGrad noGrad = NoGrad.Enter();
        Tensor all = Forward(tokens, cache);
        long last = all.Count - logits.Length;
        switch (all.DType)
        {
            case DType.Float16:
                var halves = new Half[logits.Length];
                all.Storage.Read<Half>(halves, last);
                for (int i = 0; i < logits.Length; i++)
                    logits[i] = (float)halves[i];
                break;
            case DType.BFloat16:
                var bfloats = new BFloat16[logits.Length];
                all.Storage.Read<BFloat16>(bfloats, last);
                for (int i = 0; i < logits.Length; i++)
                    logits[i] = (float)bfloats[i];
                break;
            default:
                all.Storage.Read<float>(logits, last);
                break;
        }

        return true;
    }

    private static T Under<T>(PrecisionPolicy? precision, Func<T> compute)
    {
        if (precision is null)
            return compute();
        using AutocastScope autocast = Autocast.Enter(precision);
        return compute();
    }
}
