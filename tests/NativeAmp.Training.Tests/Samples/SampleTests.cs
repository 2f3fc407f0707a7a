using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace NativeAmp.Training.Tests.Samples;

/// <summary>The programs in samples/ run, and learn.</summary>
public partial class SampleTests : FolderTests
{
    [Test]
    public void An_operator_of_one_s_own_learns()
    {
        double[] losses = Numbers(Run("CustomOperator"), "loss ");
        Assert.That(losses[^1], Is.LessThan(losses[0]));
    }

    [Test]
    public void Classes_are_learned_from_the_CSV_file_of_the_sample()
    {
        string output = Run("CsvData");
        Assert.That(Numbers(output, "accuracy ")[^1], Is.GreaterThan(0.95));
        Assert.That(output, Does.Match("a large one: (apple|banana|plum)"));
    }

    [Test]
    public void Classes_are_learned_from_the_CSV_file_and_column_that_are_given()
    {
        string file = Path.Combine(Folder, "signs.csv");
        var random = new Random(1);
        File.WriteAllLines(
            file,
            Enumerable
                .Range(0, 400)
                .Select(_ => random.NextDouble() - 0.5)
                .Select(x => string.Create(CultureInfo.InvariantCulture, $"{(x < 0 ? "minus" : "plus")},{x}"))
                .Prepend("sign,x")
        );
        string output = Run("CsvData", file, "sign");
        Assert.That(Numbers(output, "accuracy ")[^1], Is.GreaterThan(0.9));
        Assert.That(output, Does.Contain("a large one: plus"));
    }

    [Test]
    public void Images_in_folders_are_told_apart()
    {
        string output = Run("ImageFolder");
        Assert.That(output, Does.Contain("classes: disc, square"));
        Assert.That(Numbers(output, "accuracy ")[^1], Is.GreaterThan(0.75), "chance is a half");
        // The images that it drew are a folder like any other.
        string drawn = Directory.GetDirectories(Folder, "shapes-*").Single();
        Assert.That(Run("ImageFolder", drawn), Does.Contain("classes: disc, square"));
    }

    [Test]
    public void Regression_predicts_a_column_of_the_CSV_file_that_it_is_given()
    {
        string file = Path.Combine(Folder, "sums.csv");
        var random = new Random(1);
        File.WriteAllLines(
            file,
            Enumerable
                .Range(0, 500)
                .Select(_ => (A: random.NextDouble(), B: random.NextDouble()))
                .Select(row => string.Create(CultureInfo.InvariantCulture, $"{row.A},{row.B},{row.A + 3 * row.B}"))
                .Prepend("a,b,sum")
        );
        string output = Run("Regression", file);
        Assert.That(Numbers(output, "error ")[^1], Is.LessThan(0.1 * Numbers(output, " of ")[^1]));
    }

    [Test]
    public void Regression_predicts_a_throw()
    {
        string output = Run("Regression");
        Assert.That(Numbers(output, "error ")[^1], Is.LessThan(0.1 * Numbers(output, " of ")[^1]));
    }

    [Test]
    public void Fine_tuning_goes_on_from_the_file_of_another_model()
    {
        string output = Run("FineTuning");
        Assert.That(output, Does.Contain("new: 4.weight, 4.bias"));
        Assert.That(output, Does.Contain("left out: encoder.layer.4.weight, encoder.layer.4.bias"));
        Assert.That(Numbers(output, "fine-tuned: loss ")[0], Is.LessThan(0.5 * Math.Log(2)), "chance is log 2");
        Assert.That(File.Exists(Path.Combine(Folder, "fine-tuned.safetensors")));
    }

    [Test]
    public void Two_optimizers_with_one_scaler_find_the_circle() =>
        Assert.That(Numbers(Run("TwoOptimizers"), "radius ")[^1], Is.EqualTo(1).Within(0.1));

    [Test]
    public void A_loop_of_one_s_own_learns_and_its_model_comes_back_from_its_file() =>
        Assert.That(Numbers(Run("OwnLoop"), "right: ")[0], Is.GreaterThan(90));

    private string Run(string sample, params string[] arguments)
    {
        string program = Path.Combine(TestContext.CurrentContext.TestDirectory, sample + ".dll");
        using Process process = Process.Start(
            new ProcessStartInfo("dotnet", [program, .. arguments])
            {
                WorkingDirectory = Folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { ["TMPDIR"] = Folder },
            }
        )!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, error.Result);
        TestContext.Out.WriteLine(output);
        return output;
    }

    private static double[] Numbers(string output, string after) =>
        [
            .. Number()
                .Matches(output)
                .Where(match => output[..match.Index].EndsWith(after, StringComparison.Ordinal))
                .Select(match => double.Parse(match.Value, CultureInfo.InvariantCulture)),
        ];

    [GeneratedRegex(@"[0-9]+(\.[0-9]+)?")]
    private static partial Regex Number();
}
