using System.Globalization;
using TorchSharpTraining;

namespace NativeAmp.TorchSharp.Tests.Training;

/// <summary>The sample runs, and the guide shows its lines.</summary>
internal sealed class SampleTests : TorchTests
{
    [Test]
    public void The_sample_trains_in_mixed_precision_as_before_and_in_bfloat16_where_TorchSharp_lags()
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        TextWriter console = Console.Out;
        Console.SetOut(output);
        try
        {
            typeof(Before).Assembly.EntryPoint!.Invoke(null, [Array.Empty<string>()]);
        }
        finally
        {
            Console.SetOut(console);
        }
        double[] losses =
        [
            .. output
                .ToString()
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture)),
        ];

        Assert.That(losses, Has.Length.EqualTo(4));
        Assert.That(losses[0], Is.LessThan(0.2));
        Assert.That(losses[1], Is.EqualTo(losses[0]).Within(0.05));
        Assert.That(losses[3], Is.LessThan(losses[2] - 0.03));
    }

    [TestCase("docs/torchsharp.md", "Before.cs", "After.cs")]
    [TestCase("src/NativeAmp.TorchSharp/README.md", "After.cs")]
    public void The_code_of_guide_and_package_page_is_the_samples(string page, params string[] files) =>
        PageCode.IsThatOf(page, [.. files.Select(file => $"samples/TorchSharpTraining/{file}")]);
}
