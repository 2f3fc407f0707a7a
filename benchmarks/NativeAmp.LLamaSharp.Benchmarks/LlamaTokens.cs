using LLama;
using LLama.Common;
using LLama.Native;

namespace NativeAmp.LLamaSharp.Benchmarks;

/// <summary>llama.cpp's greedy tokens of a GGUF file.</summary>
internal sealed class LlamaTokens : IDisposable
{
    private readonly LLamaWeights _weights;
    private readonly LLamaContext _context;

    public LlamaTokens(string path, int context, int threads)
    {
        NativeLogConfig.llama_log_set((_, _) => { });
        var parameters = new ModelParams(path)
        {
            ContextSize = (uint)context,
            GpuLayerCount = 0,
            Threads = threads,
            BatchThreads = threads,
        };
        _weights = LLamaWeights.LoadFromFile(parameters);
        _context = _weights.CreateContext(parameters);
    }

    /// <summary>Tokens after a prompt, one at each step.</summary>
    public IEnumerable<int> Generate(int[] prompt)
    {
        _context.NativeHandle.MemoryClear();
        for (int at = 0, token = 0; ; )
        {
            var batch = new LLamaBatch();
            if (at == 0)
            {
                for (int i = 0; i < prompt.Length; i++)
                    batch.Add(prompt[i], i, LLamaSeqId.Zero, logits: i == prompt.Length - 1);
                at = prompt.Length;
            }
            else
                batch.Add(token, at++, LLamaSeqId.Zero, logits: true);
            if (_context.NativeHandle.Decode(batch) != DecodeResult.Ok)
                throw new InvalidOperationException("llama.cpp could not compute a token.");
            Span<float> logits = _context.NativeHandle.GetLogitsIth(batch.TokenCount - 1);
            token = 0;
            for (int i = 1; i < logits.Length; i++)
            {
                if (logits[i] > logits[token])
                    token = i;
            }

            yield return token;
        }
    }

    public void Dispose()
    {
        _context.Dispose();
        _weights.Dispose();
    }
}
