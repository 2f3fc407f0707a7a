using System.Text;
using System.Text.Json;
using NativeAmp.Cli.Networks;
using NativeAmp.Cli.Output;
using static NativeAmp.Training.Tests.Cli.CliHost;

namespace NativeAmp.Training.Tests.Cli;

internal sealed class GenerateCommandTests : FolderTests
{
    private const string Text = "the quick brown fox. ";
    private const int Context = 32;

    private string At(string name) => Path.Combine(Folder, name);

    private void Train()
    {
        File.WriteAllText(At("text"), string.Concat(Enumerable.Repeat(Text, 100)));
        Ok([
            "train",
            "--model",
            "gpt",
            "--data",
            At("text"),
            "--steps",
            "40",
            "--batch",
            "8",
            "--lr",
            "0.01",
            "--sample",
            "0",
            "--device",
            "cpu",
            "--threads",
            "1",
            "--checkpoint",
            At("run"),
            "--context",
            "32",
            "--width",
            "32",
            "--heads",
            "2",
            "--blocks",
            "1",
        ]);
    }

    [Test]
    public void A_trained_gpt_goes_on_with_its_text_in_float_and_in_integers()
    {
        Train();
        Ok("quantize", At("run"), "--to", "int8", "--out", At("int8"));
        Ok("quantize", At("run"), "--to", "int4", "--group", "32", "--out", At("int4"));
        Ok("quantize", At("run"), "--to", "int4-dynamic", "--group", "32", "--out", At("int4-dynamic"));
        foreach (string file in (string[])["run", "int8", "int4", "int4-dynamic"])
        {
            string[] arguments = ["generate", At(file), "--prompt", "the q", "--temperature", "0", "--threads", "1"];
            JsonElement answer = JsonDocument.Parse(Ok([.. arguments, "--tokens", "20", "--json"])).RootElement;
            string text = Ok([.. arguments, "--tokens", "20"]);

            string generated = answer.GetProperty("text").GetString()!;
            Assert.Multiple(() =>
            {
                Assert.That(generated, Is.EqualTo(Recomputed(At(file), "the q", 20)), file);
                Assert.That(generated, Does.StartWith("uick brown"), file);
                Assert.That(answer.GetProperty("prompt_tokens").GetInt32(), Is.EqualTo(5));
                Assert.That(answer.GetProperty("tokens").GetInt32(), Is.EqualTo(20));
                Assert.That(answer.GetProperty("tokens_per_second").GetDouble(), Is.Positive);
                Assert.That(text, Does.StartWith($"the q{generated}\nprompt 5 tokens, "));
                Assert.That(text, Does.Match(@"generated 20, [\d.]+ tokens/s\n$"));
            });
        }

        // Half precision, a seed, and the context's end.
        string[] drawn =
        [
            "generate",
            At("run"),
            "--precision",
            "bf16",
            "--seed",
            "3",
            "--top-k",
            "5",
            "--device",
            "cpu",
        ];
        JsonElement first = JsonDocument.Parse(Ok([.. drawn, "--top-p", "0.9", "--json"])).RootElement;
        JsonElement second = JsonDocument.Parse(Ok([.. drawn, "--top-p", "0.9", "--json"])).RootElement;
        Assert.That(first.GetProperty("tokens").GetInt32(), Is.EqualTo(Context));
        Assert.That(second.GetProperty("text").GetString(), Is.EqualTo(first.GetProperty("text").GetString()));
    }

    [Test]
    public void What_does_not_fit_is_one_line_and_an_exit_code()
    {
        using (Device device = Device.Cpu())
        using (Sequential mlp = Models.Mlp(new RandomGenerator(1), 28 * 28).To(device))
        using (
            Gpt gpt = new Gpt(
                new GptOptions
                {
                    Context = 8,
                    Width = 8,
                    Heads = 2,
                    Blocks = 1,
                }
            ).To(device)
        )
        {
            mlp.Save(At("mlp"));
            gpt.Save(At("gpt"));
        }

        string[] gptIs = ["generate", At("gpt"), "--heads", "2", "--device", "cpu"];
        Assert.Multiple(() =>
        {
            Refused(ExitCode.Usage, "at most 8 tokens", [.. gptIs, "--prompt", "x", "--tokens", "9"]);
            Refused(ExitCode.Usage, "shorter prompt", [.. gptIs, "--prompt", "more than eight"]);
            Refused(ExitCode.Usage, "--prompt is empty", [.. gptIs, "--prompt", ""]);
            Refused(ExitCode.Usage, "--top-p is 0", [.. gptIs, "--top-p", "0"]);
            Refused(ExitCode.Usage, "--tokens is 0", [.. gptIs, "--tokens", "0"]);
            Refused(ExitCode.Usage, "--heads", "generate", At("gpt"), "--device", "cpu");
            Refused(ExitCode.Usage, "no gpt", "generate", At("mlp"), "--device", "cpu");
            Refused(ExitCode.Failure, "none", "generate", At("none"), "--device", "cpu");
        });
    }

    private static string Recomputed(string file, string prompt, int count)
    {
        using Device device = Device.Cpu(1);
        using NetworkFile network = NetworkFile.Open(file, new NetworkHints(null, null, null), device);
        List<int> tokens = [.. prompt.Select(letter => (int)letter)];
        using NoGrad noGrad = NoGrad.Enter();
        for (int i = 0; i < count; i++)
        {
            using Tensor input = Tensor.From(device, [.. tokens], [1, tokens.Count]);
            float[] last = network.Model.Forward(input).ToFloats()[^256..];
            tokens.Add(Array.IndexOf(last, last.Max()));
        }

        return Encoding.UTF8.GetString([.. tokens.Skip(prompt.Length).Select(token => (byte)token)]);
    }
}
