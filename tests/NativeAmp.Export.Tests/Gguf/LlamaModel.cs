using System.Text;
using LLama;
using LLama.Common;
using LLama.Native;

namespace NativeAmp.Export.Tests.Gguf;

/// <summary>A file loaded by llama.cpp, through LLamaSharp, on one thread.</summary>
internal sealed class LlamaModel : IDisposable
{
    private readonly LLamaWeights _weights;
    private readonly LLamaContext _context;

    public LlamaModel(string path)
    {
        NativeLogConfig.llama_log_set((_, _) => { });
        var parameters = new ModelParams(path)
        {
            ContextSize = TrainedGpt.Context,
            GpuLayerCount = 0,
            Threads = 1,
            BatchThreads = 1,
        };
        _weights = LLamaWeights.LoadFromFile(parameters);
        _context = _weights.CreateContext(parameters);
    }

    public IReadOnlyDictionary<string, string> Metadata => _weights.Metadata;

    public int[] Tokenize(string text) =>
        [.. _weights.Tokenize(text, add_bos: true, special: false, Encoding.UTF8).Select(token => (int)token)];

    public byte[] Bytes(int token)
    {
        Span<byte> bytes = stackalloc byte[16];
        return bytes[..(int)_context.NativeHandle.TokenToSpan((LLamaToken)token, bytes)].ToArray();
    }

    /// <summary>Logits [time, 256] of one sequence.</summary>
    public float[] Logits(byte[] tokens)
    {
        _context.NativeHandle.MemoryClear();
        var batch = new LLamaBatch();
        for (int i = 0; i < tokens.Length; i++)
            batch.Add(tokens[i], i, LLamaSeqId.Zero, logits: true);
        Assert.That(_context.NativeHandle.Decode(batch), Is.EqualTo(DecodeResult.Ok));
        return [.. Enumerable.Range(0, tokens.Length).SelectMany(i => _context.NativeHandle.GetLogitsIth(i).ToArray())];
    }

    /// <summary>A prompt, and the likeliest bytes after it up to the context's end.</summary>
    public byte[] Greedy(byte[] prompt)
    {
        List<byte> tokens = [.. prompt];
        float[] logits = Logits(prompt)[^256..];
        while (true)
        {
            tokens.Add((byte)Array.IndexOf(logits, logits.Max()));
            if (tokens.Count == TrainedGpt.Context)
                return [.. tokens];
            var batch = new LLamaBatch();
            batch.Add(tokens[^1], tokens.Count - 1, LLamaSeqId.Zero, logits: true);
            Assert.That(_context.NativeHandle.Decode(batch), Is.EqualTo(DecodeResult.Ok));
            logits = _context.NativeHandle.GetLogitsIth(0).ToArray();
        }
    }

    public void Dispose()
    {
        _context.Dispose();
        _weights.Dispose();
    }
}
