using System.Globalization;
using NativeAmp;
using NativeAmp.LLamaSharp.Benchmarks;
using NativeAmp.Training;
using NativeAmp.Training.Export;
using NativeAmp.Training.Quantization;

// A token of a gpt with random weights by Gpt.Generate, in turns with llama.cpp's (LLamaSharp) from the file that
// GgufExport writes of the same model: medians over the turns, of some tokens each. Arguments: width, blocks, turns,
// threads.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int[] sizes = [.. args.Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
int width = sizes.ElementAtOrDefault(0) is > 0 and var given ? given : 768;
int blocks = sizes.ElementAtOrDefault(1) is > 0 and var many ? many : 12;
int turns = sizes.ElementAtOrDefault(2) is > 0 and var some ? some : 15;
int threads = sizes.ElementAtOrDefault(3) is > 0 and var workers ? workers : 2;
const int TokensOfATurn = 8;
var options = new GptOptions
{
    Context = 64 + ((turns + 1) * TokensOfATurn),
    Width = width,
    Heads = Math.Max(1, width / 64),
    Blocks = blocks,
    Activation = Activation.GeluTanh,
};
(GgufType Type, QuantizationScheme? Scheme)[] kinds =
[
    (GgufType.F32, null),
    (GgufType.Q8_0, new QuantizationScheme()),
    (GgufType.Q8_0, new QuantizationScheme { Kind = QuantizationKind.Int8Dynamic }),
    (GgufType.Q4_0, new QuantizationScheme { Kind = QuantizationKind.Int4, Group = 32 }),
    (GgufType.Q4_0, new QuantizationScheme { Kind = QuantizationKind.Int4Dynamic, Group = 32 }),
];
DirectoryInfo folder = Directory.CreateTempSubdirectory("nativeamp-");
int[] prompt = [.. Enumerable.Range(0, 64).Select(i => (i * 37 % 96) + 32)];
Console.WriteLine(
    $"width {width}, {blocks} blocks, prompt of {prompt.Length}, {threads} threads, {turns} turns of {TokensOfATurn} "
        + "tokens: medians of ms"
);
Console.WriteLine("ours          llama.cpp  MB   token: ours  llama.cpp  ratio   prompt: ours  llama.cpp");
try
{
    foreach ((GgufType type, QuantizationScheme? scheme) in kinds)
    {
        using Device device = Device.Cpu(threads);
        using Gpt model = new Gpt(options, new RandomGenerator(1)).To(device);
        model.Eval();
        string file = Path.Combine(folder.FullName, $"{type}.gguf");
        GgufExport.Save(model, file, type);
        if (scheme is not null)
            Quantizer.Quantize(model, scheme);
        using var theirs = new LlamaTokens(file, options.Context, threads);
        Measured measured = Turns.Measure(model, theirs, prompt, turns, TokensOfATurn);
        Console.WriteLine(
            $"{scheme?.Kind.ToString() ?? "Float32", -12}  {type, -9}  {new FileInfo(file).Length / 1e6, 3:0}  "
                + $"{measured.Ours, 11:0.00}  {measured.Theirs, 9:0.00}  {measured.Ratio, 5:0.00}  "
                + $"{measured.OurPrompt, 13:0.0}  {measured.TheirPrompt, 9:0.0}"
        );
    }
}
finally
{
    folder.Delete(recursive: true);
}
