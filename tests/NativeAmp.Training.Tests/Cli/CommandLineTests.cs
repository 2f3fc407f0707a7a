using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

public class CommandLineTests : FolderTests
{
    [Test]
    public void Help_names_the_commands_and_their_options()
    {
        (int code, string output, _) = CliHost.Run("--help");
        Assert.That(code, Is.EqualTo(ExitCode.Success));
        Assert.That(
            output,
            Does.Contain("nativeamp [command]")
                .And.Contain("train")
                .And.Contain("verify <DIR>")
                .And.Contain("bench")
                .And.Contain("doctor")
        );

        output = CliHost.Run("train", "--help").Output;
        foreach (
            string option in (string[])
                [
                    "--model <cnn|gpt|mlp>",
                    "--data",
                    "--precision <fp32|fp16|bf16>",
                    "--epochs",
                    "--steps",
                    "--batch",
                    "--lr",
                    "--init-scale",
                    "--seed",
                    "--threads",
                    "--device <auto|cpu|cuda>",
                    "--metrics",
                    "--checkpoint",
                    "--every",
                    "--resume",
                    "--json",
                ]
        )
            Assert.That(output, Does.Contain(option));
        Assert.That(CliHost.Run("verify", "--help").Output, Does.Contain("--device").And.Contain("--json"));
        Assert.That(CliHost.Run("doctor", "--help").Output, Does.Contain("--json"));
    }

    [TestCase("train --batch 0", "--batch is 0")]
    [TestCase("train --batch x", "x")]
    [TestCase("train --lr 0", "--lr is 0")]
    [TestCase("train --lr NaN", "--lr is NaN")]
    [TestCase("train --init-scale -1", "--init-scale is -1")]
    [TestCase("train --init-scale Infinity", "--init-scale is")]
    [TestCase("train --epochs 1 --steps 1", "--epochs and --steps")]
    [TestCase("train --steps 0", "--steps is 0")]
    [TestCase("train --precision fp8", "fp32, fp16, bf16")]
    [TestCase("train --model vgg", "cnn, gpt, mlp")]
    [TestCase("train --device tpu", "auto, cpu, cuda")]
    [TestCase("train --model gpt", "--data FILE")]
    [TestCase("train --resume", "--checkpoint")]
    [TestCase("train --every 5", "--checkpoint")]
    [TestCase("train --threads 5000", "--threads is 5000")]
    [TestCase("train --model gpt --data x --width 10 --heads 3", "not a multiple")]
    [TestCase("bench --params 0", "--params is '0'")]
    [TestCase("bench --params 64MB", "--params is '64MB'")]
    [TestCase("bench --params -3", "-3")]
    [TestCase("bench --params 9999999999Gi", "--params is")]
    [TestCase("bench --seconds 0", "--seconds is 0")]
    [TestCase("bench --threads -1", "--threads is -1")]
    [TestCase("bench --device tpu", "auto, cpu, cuda")]
    [TestCase("train --unknown", "--unknown")]
    [TestCase("verify", "DIR")]
    [TestCase("nonsense", "nonsense")]
    public void Bad_arguments_get_a_clear_message_and_exit_code_2(string arguments, string message)
    {
        (int code, string output, string error) = CliHost.Run(arguments.Split(' '));
        Assert.That((code, output), Is.EqualTo((ExitCode.Usage, "")));
        Assert.That(error, Does.StartWith("nativeamp: ").And.Contain(message).And.Not.Contain("   at "));
    }

    [Test]
    public void Files_that_are_missing_or_damaged_get_one_line_and_exit_code_1()
    {
        string text = Path.Combine(Folder, "short.txt");
        File.WriteAllText(text, "short");
        foreach (
            string[] arguments in (string[][])
                [
                    ["train", "--data", Folder, "--device", "cpu"],
                    ["train", "--model", "gpt", "--data", text, "--device", "cpu"],
                    ["train", "--model", "gpt", "--data", Path.Combine(Folder, "absent"), "--device", "cpu"],
                    ["verify", Path.Combine(Folder, "absent"), "--device", "cpu"],
                ]
        )
        {
            (int code, string output, string error) = CliHost.Run(arguments);
            Assert.That((code, output), Is.EqualTo((ExitCode.Failure, "")), string.Join(' ', arguments));
            Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), error);
            Assert.That(CliHost.Run([.. arguments, "--verbose"]).Error, Does.Contain("   at "));
        }
    }

    [Test]
    public void Doctor_tells_what_was_found_as_text_and_as_json()
    {
        (int code, string output, _) = CliHost.Run("doctor");
        Assert.That(code, Is.EqualTo(ExitCode.Success));
        Assert.That(
            output,
            Does.Contain("native library").And.Contain("cuda").And.Contain("fashion-mnist").And.Contain("oneDNN")
        );

        (_, string json, _) = CliHost.Run("doctor", "--json");
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(document.RootElement.GetProperty("ok").GetBoolean(), Is.True);
        foreach (JsonElement finding in document.RootElement.GetProperty("findings").EnumerateArray())
        {
            Assert.That(finding.GetProperty("name").GetString(), Is.Not.Empty);
            Assert.That(finding.GetProperty("meaning").GetString(), Is.Not.Empty);
            Assert.That(finding.GetProperty("found").ValueKind, Is.AnyOf(JsonValueKind.True, JsonValueKind.False));
        }
    }
}
