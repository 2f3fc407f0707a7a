using System.Text;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

namespace NativeAmp.Export.Tests.Gguf;

/// <summary>llama.cpp loads each file, and predicts as we do with the numbers of the file.</summary>
public class LlamaTests
{
    private static readonly string[] Prompts = ["The ", "Copyright ", "software", "you may", "LICENSE\n", "ö"];

    /// <summary>
    /// llama.cpp rounds activations to the matrices' type, and to 8 bits before integer matrices: two bytes that are
    /// almost as likely may change places. The tie's width is in logits, of which the likeliest byte has about 10.
    /// </summary>
    [TestCase(GgufType.F32, 1e-3)]
    [TestCase(GgufType.F16, 1e-2)]
    [TestCase(GgufType.BF16, 5e-2)]
    [TestCase(GgufType.Q8_0, 0.1)]
    [TestCase(GgufType.Q4_0, 0.1)]
    public void Greedy_tokens_and_perplexity_are_ours(GgufType type, double tie)
    {
        using var folder = new ScratchFolder();
        using Gpt trained = TrainedGpt.Create();
        GgufExport.Save(trained, folder.File("gpt.gguf"), type);
        using Gpt rounded = TrainedGpt.Create();
        GgufExportTests.Take(rounded, new GgufReader(folder.File("gpt.gguf")));

        using var llama = new LlamaModel(folder.File("gpt.gguf"));

        double original = TrainedGpt.Perplexity(window => TrainedGpt.Logits(trained, window));
        double ours = TrainedGpt.Perplexity(window => TrainedGpt.Logits(rounded, window));
        double theirs = TrainedGpt.Perplexity(llama.Logits);
        TestContext.Out.WriteLine(
            $"{type}: perplexity {theirs:F4}, ours with the file's numbers {ours:F4}, with float32 {original:F4}; "
                + $"{new FileInfo(folder.File("gpt.gguf")).Length:N0} bytes"
        );
        Assert.That(original, Is.InRange(2, 20), "the model learned something");
        Assert.That(theirs, Is.EqualTo(ours).Within(1).Percent);
        Assert.That(theirs, Is.EqualTo(original).Within(type == GgufType.Q4_0 ? 3 : 1).Percent);
        foreach (string prompt in Prompts)
            Follows(rounded, llama.Greedy(Encoding.UTF8.GetBytes(prompt)), Encoding.UTF8.GetByteCount(prompt), tie);
    }

    /// <summary>Our integers in llama.cpp: rounded by inputs (GPTQ), not to nearest, as its own tool does.</summary>
    [TestCase(QuantizationKind.Int8, QuantizationMethod.Rtn)]
    [TestCase(QuantizationKind.Int4, QuantizationMethod.Rtn)]
    [TestCase(QuantizationKind.Int4, QuantizationMethod.Gptq)]
    [TestCase(QuantizationKind.Int4Dynamic, QuantizationMethod.Hqq)]
    public void A_quantised_model_has_our_perplexity(QuantizationKind kind, QuantizationMethod method)
    {
        using var folder = new ScratchFolder();
        using Gpt model = TrainedGpt.Create();
        double original = TrainedGpt.Perplexity(window => TrainedGpt.Logits(model, window));
        Quantizer.Quantize(
            model,
            new QuantizationScheme
            {
                Kind = kind,
                Group = 32,
                Method = method,
            },
            method == QuantizationMethod.Gptq ? ReadText : null
        );
        GgufExport.Save(model, folder.File("gpt.gguf"), GgufType.Q8_0);

        using var llama = new LlamaModel(folder.File("gpt.gguf"));

        double ours = TrainedGpt.Perplexity(window => TrainedGpt.Logits(model, window));
        double theirs = TrainedGpt.Perplexity(llama.Logits);
        TestContext.Out.WriteLine(
            $"{kind}, {method}: perplexity {theirs:F4}, ours {ours:F4}, with float32 {original:F4}; "
                + $"{new FileInfo(folder.File("gpt.gguf")).Length:N0} bytes"
        );
        Assert.That(theirs, Is.EqualTo(ours).Within(1).Percent);
        Assert.That(theirs, Is.EqualTo(original).Within(kind == QuantizationKind.Int8 ? 1 : 3).Percent);
    }

    [Test]
    public void Logits_of_float32_are_ours()
    {
        using var folder = new ScratchFolder();
        using Gpt model = TrainedGpt.Create();
        GgufExport.Save(model, folder.File("gpt.gguf"), GgufType.F32);
        using var llama = new LlamaModel(folder.File("gpt.gguf"));

        byte[] window = TrainedGpt.Text[100..(100 + TrainedGpt.Context)];
        float[] ours = TrainedGpt.Logits(model, window);
        float[] theirs = llama.Logits(window);

        Assert.That(ours.Zip(theirs, (a, b) => Math.Abs(a - b)).Max() / ours.Max(Math.Abs), Is.LessThan(2e-3));
    }

    [Test]
    public void A_token_is_a_byte()
    {
        using var folder = new ScratchFolder();
        using Gpt model = TrainedGpt.Create();
        GgufExport.Save(model, folder.File("gpt.gguf"));
        using var llama = new LlamaModel(folder.File("gpt.gguf"));
        const string Text = "Größe:\t½ – 你好!\r\n  \u00A0\u00AD x";

        Assert.That(llama.Tokenize(Text), Is.EqualTo(Encoding.UTF8.GetBytes(Text).Select(value => (int)value)));
        // Byte 0 ends a text, and is not shown.
        for (int token = 1; token < 256; token++)
            Assert.That(llama.Bytes(token), Is.EqualTo(new[] { (byte)token }));
    }

    private static void ReadText(Module model)
    {
        for (int start = 0; start + TrainedGpt.Context < 4096; start += TrainedGpt.Context)
            TrainedGpt.Logits((Gpt)model, TrainedGpt.Text.AsSpan(start, TrainedGpt.Context));
    }

    /// <summary>
    /// Each byte after the prompt is our likeliest as well, or has our largest logit but for a tie's width.
    /// </summary>
    private static void Follows(Gpt model, byte[] text, int prompt, double tie)
    {
        float[] logits = TrainedGpt.Logits(model, text);
        for (int i = prompt; i < text.Length; i++)
        {
            float[] row = logits[((i - 1) * 256)..(i * 256)];
            Assert.That(
                row.Max() - row[text[i]],
                Is.LessThanOrEqualTo(tie),
                $"byte {i} of '{Encoding.Latin1.GetString(text)}'"
            );
        }
    }
}
