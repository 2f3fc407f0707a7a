using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using TorchSharpTraining;

namespace NativeAmp.TorchSharp.Tests.Training;

/// <summary>The sample runs, and the guide shows its lines.</summary>
internal sealed partial class SampleTests : TorchTests
{
    private static readonly string s_root = typeof(SampleTests)
        .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(entry => entry.Key == "RepositoryRoot")
        .Value!;

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();

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
    public void The_code_of_guide_and_package_page_is_the_samples(string page, params string[] files)
    {
        string[] blocks =
        [
            .. Code().Matches(File.ReadAllText(Path.Combine(s_root, page))).Select(match => match.Groups[1].Value),
        ];

        Assert.That(blocks, Has.Length.EqualTo(files.Length));
        for (int i = 0; i < files.Length; i++)
        {
            string[] sample = Lines(File.ReadAllText(Path.Combine(s_root, "samples/TorchSharpTraining", files[i])));
            int at = 0;
            foreach (string line in Lines(blocks[i]))
            {
                at = Array.IndexOf(sample, line, at) + 1;
                Assert.That(at, Is.Positive, $"{files[i]} has no '{line}' there");
            }
        }

        static string[] Lines(string text) =>
            [.. text.Split('\n').Select(line => line.Split(" //")[0].Trim()).Where(l => l.Length > 0)];
    }
}
