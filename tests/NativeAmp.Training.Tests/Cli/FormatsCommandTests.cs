using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

public class FormatsCommandTests
{
    [Test]
    public void The_formats_are_a_table_with_a_number_line()
    {
        (int code, string output, string error) = CliHost.Run("formats");

        Assert.That((code, error), Is.EqualTo((ExitCode.Success, "")));
        Assert.That(
            output,
            Does.Contain("fp16      16    1+5+10             65504")
                .And.Contain("nan, no inf")
                .And.Contain("█")
                .And.Contain("2^0")
        );
        Assert.That(
            output.Split('\n').Count(line => line.StartsWith("fp8-", StringComparison.Ordinal)),
            Is.EqualTo(4),
            "two in the table, two in the picture"
        );
    }

    [Test]
    public void A_number_is_shown_in_each_with_its_bits_and_its_error()
    {
        string output = CliHost.Run("formats", "0.1").Output;

        Assert.That(
            output,
            Does.Contain("0 01111011 10011001100110011001101").And.Contain("fp32: 0.100000001490116119384765625")
        );
        Assert.That(output, Does.Contain("0 01011 1001100110").And.Contain("0.0999755859375").And.Contain("-0.0244 %"));
        Assert.That(output, Does.Contain("underflow: becomes zero"), "in int8");
    }

    [TestCase("65520", "fp16", "0x7c00", "inf", "overflow")]
    [TestCase("1e-8", "fp16", "0x0000", "0", "underflow")]
    [TestCase("0x1p-24", "fp16", "0x0001", "5.9604644775390625e-8", "exact")]
    [TestCase("-0", "bf16", "0x8000", "-0", "exact")]
    [TestCase("NaN", "fp8-e4m3", "0x7f", "nan", "exact")]
    [TestCase("-inf", "int4", "0x8", "-8", "missing")]
    [TestCase("fp8-e4m3:0x7e", "fp16", "0x5f00", "448", "exact")]
    [TestCase("bf16:0b0011111110000000", "fp32", "0x3f800000", "1", "exact")]
    [TestCase("1e5000", "fp32", "0x7f800000", "inf", "overflow")]
    public void What_is_stored_is_there_for_programs_too(
        string number,
        string format,
        string hex,
        string stored,
        string outcome
    )
    {
        (int code, string output, _) = CliHost.Run("formats", number, "--json");
        JsonElement facts = JsonDocument
            .Parse(output)
            .RootElement.GetProperty("numbers")[0]
            .GetProperty("formats")
            .EnumerateArray()
            .Single(entry => entry.GetProperty("format").GetString() == format);

        Assert.That(code, Is.EqualTo(ExitCode.Success));
        Assert.That(
            (
                facts.GetProperty("hex").GetString(),
                facts.GetProperty("stored").GetString(),
                facts.GetProperty("outcome").GetString()
            ),
            Is.EqualTo((hex, stored, outcome))
        );
    }

    [Test]
    public void Each_format_is_there_for_programs()
    {
        JsonElement formats = JsonDocument
            .Parse(CliHost.Run("formats", "--json").Output)
            .RootElement.GetProperty("formats");

        Assert.That(
            formats.EnumerateArray().Select(format => format.GetProperty("name").GetString()),
            Is.EqualTo(new[] { "fp32", "tf32", "fp16", "bf16", "fp8-e4m3", "fp8-e5m2", "fp4-e2m1", "int8", "int4" })
        );
        Assert.That(formats[4].GetProperty("largest").GetDouble(), Is.EqualTo(448));
        Assert.That(formats[0].GetProperty("largest").GetDouble(), Is.EqualTo((double)float.MaxValue));
    }

    [TestCase("x", "no number")]
    [TestCase("0x3c00", "fp16:0x3c00")]
    [TestCase("fp9:0x1", "fp9")]
    [TestCase("int4:0x10", "4 bits")]
    [TestCase("fp16:1", "0x or 0b")]
    [TestCase("1e99999", "exponent")]
    [TestCase("", "no number")]
    public void What_is_no_number_gets_one_sentence_and_exit_code_2(string number, string message)
    {
        (int code, string output, string error) = CliHost.Run("formats", number);

        Assert.That((code, output), Is.EqualTo((ExitCode.Usage, "")));
        Assert.That(error, Does.StartWith("nativeamp: ").And.Contain(message));
        Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
    }
}
