using System.Text.Json;
using NativeAmp.Cli.Bench;
using NativeAmp.Cli.Output;
using NativeAmp.Cli.Train;

namespace NativeAmp.Training.Tests.Cli;

/// <summary>The command that times a GPT's operators and step. Its speeds are not tested.</summary>
[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
internal sealed class GptBenchTests(DeviceKind kind)
{
    private string[] Arguments =>
        [
            .. "bench gpt --seconds 0.05 --threads 2 --context 16 --width 32 --heads 2 --blocks 1".Split(' '),
            .. "--vocabulary 50 --batch 2 --precision fp16 --device".Split(' '),
            kind == DeviceKind.Cuda ? "cuda" : "cpu",
        ];

    [Test]
    public void Each_operator_and_the_step_have_rows_whose_figures_agree()
    {
        (int code, string json, string error) = CliHost.Run([.. Arguments, "--gpu", "h100-80g", "--json"]);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement[] rows = [.. document.RootElement.EnumerateArray()];
        string[] operators =
        [
            "layer norm",
            "linear, queries, keys and values, 32 to 96",
            "attention, causal",
            "linear, projection, 32 to 32",
            "linear and GELU, 32 to 128",
            "linear, contraction, 128 to 32",
            "head and cross-entropy, 32 to 50",
        ];
        string[] steps =
            kind == DeviceKind.Cuda ? ["training step, calls", "training step, graph"] : ["training step, calls"];
        Assert.That(
            rows.Select(row => row.GetProperty("name").GetString()),
            Is.EqualTo(
                operators.SelectMany(name => new[] { $"{name}: forward", $"{name}: with backward" }).Concat(steps)
            )
        );
        foreach (JsonElement row in rows)
        {
            bool isStep = row.GetProperty("name").GetString()!.StartsWith("training", StringComparison.Ordinal);
            double seconds = row.GetProperty("seconds_median").GetDouble();
            double flops = row.GetProperty("flops").GetDouble();
            Assert.That(row.GetProperty("dtype").GetString(), Is.EqualTo("float16"));
            Assert.That(row.GetProperty("rounds").GetInt32(), Is.GreaterThanOrEqualTo(5));
            Assert.That(row.GetProperty("seconds_lower_quartile").GetDouble(), Is.LessThanOrEqualTo(seconds));
            Assert.That(row.GetProperty("seconds_upper_quartile").GetDouble(), Is.GreaterThanOrEqualTo(seconds));
            Assert.That(row.TryGetProperty("bytes", out JsonElement bytes), Is.Not.EqualTo(isStep));
            Assert.That(row.TryGetProperty("tokens_per_s", out JsonElement tokens), Is.EqualTo(isStep));
            double moved = isStep ? 0 : bytes.GetInt64();
            // 989 TFLOP/s and 3,350 GB/s, by the data sheet.
            Assert.That(
                row.GetProperty("fraction_of_peak").GetDouble() * seconds,
                Is.EqualTo(Math.Max(flops / 989e12, moved / 3350e9)).Within(1e-6).Percent
            );
            Assert.That(row.TryGetProperty("tflop_per_s", out _), Is.EqualTo(flops > 0));
            Assert.That(
                row.TryGetProperty("fraction_of_copy", out _),
                Is.EqualTo(kind == DeviceKind.Cuda && !isStep),
                "only a GPU has a driver's copy to be compared with"
            );
            if (isStep)
                Assert.That(tokens.GetDouble() * seconds, Is.EqualTo(32.0).Within(1e-6).Percent);
        }
    }

    [Test]
    public void A_person_gets_a_table()
    {
        (int code, string output, string error) = CliHost.Run(Arguments);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        Assert.That(
            output,
            Does.StartWith("2 x 16 tokens, width 32, 2 heads, 1 blocks, vocabulary 50, float16, on ")
                .And.Contain("TFLOP/s")
                .And.Match("training step, calls: [0-9]+ tokens/s")
        );
        Assert.That(output, Does.Not.Contain("of data sheet"));
        Assert.That(output, kind == DeviceKind.Cuda ? Does.Contain("of copy") : Does.Not.Contain("of copy"));
    }

    // As 'nativeamp plan' does.
    [Test]
    public void A_GPU_that_is_not_known_is_refused_by_name()
    {
        (int code, _, string error) = CliHost.Run("bench gpt --device cpu --gpu none-such".Split(' '));
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(error, Does.Contain("none-such"));
    }

    [TestCase("--heads 5", "--heads is 5")]
    [TestCase("--batch 0", "--batch is 0")]
    [TestCase("--batch 1000000 --context 10000", "are more than")]
    public void What_cannot_be_is_refused_by_name(string arguments, string named)
    {
        (int code, _, string error) = CliHost.Run([.. "bench gpt --device cpu".Split(' '), .. arguments.Split(' ')]);
        Assert.That(code, Is.EqualTo(ExitCode.Usage));
        Assert.That(error, Does.Contain(named));
    }

    // GPT-2 by the counts of its authors: 124M parameters in its products with weights, of which each token takes 6
    // operations; and attention's.
    [Test]
    public void A_step_of_GPT2_has_the_operations_of_its_weights_and_of_attention()
    {
        var shape = new GptShape(new GptSize(1024, 768, 12, 12), 50257, 8, DType.BFloat16);
        double weights = 12 * 12.0 * 768 * 768 + 50257.0 * 768;
        double attention = 12 * 7.0 * 8 * 1024 * 1024 * 768;
        Assert.That(shape.StepFlops, Is.EqualTo(6 * 8192 * weights + attention).Within(1e-9).Percent);
        Assert.That(weights, Is.EqualTo(124e6).Within(1).Percent);
    }
}
