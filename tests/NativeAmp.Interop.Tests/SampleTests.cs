using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace NativeAmp.Interop.Tests;

/// <summary>The samples run and learn.</summary>
public sealed partial class SampleTests
{
    [GeneratedRegex(@"loss ([0-9.]+)")]
    private static partial Regex Loss();

    [Test]
    public void The_sample_of_ILGPU_finds_the_line() =>
        Assert.That(
            Run("IlgpuTraining"),
            Does.Match(@"^y = (2\.9[5-9]|3\.0[0-5]) x \+ -0\.(4[5-9]|5[0-5]), \d+ steps skipped")
        );

    [Test]
    public void The_sample_of_ManagedCuda_finds_the_weights()
    {
        DeviceKind.Cuda.Open().Dispose();

        string output = Run("ManagedCudaTraining");

        double[] losses =
        [
            .. Loss()
                .Matches(output)
                .Select(match => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)),
        ];
        Assert.That(losses, Has.Length.EqualTo(5));
        Assert.That(losses[^1], Is.LessThan(0.01 * losses[0]));
        Assert.That(output, Does.Match(@"weights (0\.9[5-9]|1\.0[0-5]) (1\.9[5-9]|2\.0[0-5]) "));
    }

    [TestCase("src/NativeAmp.ILGPU/README.md", "samples/ILGPU/Program.cs")]
    [TestCase("src/NativeAmp.ManagedCuda/README.md", "samples/ManagedCuda/Program.cs")]
    [TestCase("docs/from-managedcuda.md", "samples/ManagedCuda/Program.cs", "samples/ManagedCuda/Program.cs")]
    public void The_code_of_a_page_is_the_sample_s(string page, params string[] files) =>
        PageCode.IsThatOf(page, files);

    // The sample makes its context current and leaves it so.
    private static string Run(string assembly)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        TextWriter console = Console.Out;
        Console.SetOut(output);
        try
        {
            NewThread.Run(() => Assembly.Load(assembly).EntryPoint!.Invoke(null, [Array.Empty<string>()]));
        }
        finally
        {
            Console.SetOut(console);
        }
        return output.ToString();
    }
}
