using NativeAmp.Cli.Verify;
using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Fuzzing;

public class GoldenFuzzTests
{
    [TestCase("adam.json")]
    [TestCase("sgd.json")]
    [TestCase("scaler.json")]
    [TestCase("unscale.json")]
    [TestCase("layers.json")]
    [TestCase("training.json")]
    [TestCase("amp_training.json")]
    public void Mutated_golden_files_give_a_typed_error_or_rows(string file)
    {
        byte[] good = File.ReadAllBytes(Path.Combine(TestContext.CurrentContext.TestDirectory, "golden", file));
        GoldenKind kind = GoldenReader.Recognise(file, good);
        using Device device = Device.Cpu(threads: 1);
        // The kinds share the mutations: a sixth for each of six files.
        int refused = Fuzz.Run(
            good,
            json => Assert.That(GoldenChecks.Check(kind, file, json, device), Is.Not.Empty),
            allocationLimit: 256L * good.Length + (1 << 20),
            share: 6
        );
        Assert.That(refused, Is.GreaterThan(0), "mutations that hit nothing test nothing");
    }

    [TestCase("adam.json")]
    [TestCase("sgd.json")]
    [TestCase("scaler.json")]
    [TestCase("unscale.json")]
    [TestCase("layers.json")]
    [TestCase("training.json")]
    [TestCase("amp_training.json")]
    public void Golden_files_with_other_values_give_a_failed_row_or_rows(string file)
    {
        byte[] good = File.ReadAllBytes(Path.Combine(TestContext.CurrentContext.TestDirectory, "golden", file));
        string folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        try
        {
            using Device device = Device.Cpu(threads: 1);
            var random = new Random(20_261_125);
            for (int i = 0; i < Fuzz.Count / 12; i++)
            {
                File.WriteAllBytes(Path.Combine(folder, file), JsonMutation.Mutate(good, random));
                Assert.That(VerifyReport.Of(folder, device).Cases, Is.Not.Empty, $"mutation {i}");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Recognising_mutated_files_gives_a_typed_error_or_a_kind()
    {
        byte[] good = File.ReadAllBytes(
            Path.Combine(TestContext.CurrentContext.TestDirectory, "golden", "training.json")
        );
        Fuzz.Run(
            good,
            json => GoldenReader.Recognise("other.json", json),
            allocationLimit: 16L * good.Length + (1 << 20)
        );
    }

    [Test]
    public void Mutated_policies_give_a_format_error_or_a_policy_that_reads_back()
    {
        byte[] good = "params=float32,compute=float16,loss=float32,softmax=compute"u8.ToArray();
        Fuzz.Run(
            good,
            bytes =>
            {
                string text = string.Concat(bytes.Select(b => (char)b));
                try
                {
                    PrecisionPolicy policy = PrecisionPolicy.Parse(text);
                    Assert.That(PrecisionPolicy.Parse(policy.ToString()), Is.EqualTo(policy));
                }
                catch (FormatException e)
                {
                    throw new DataFormatException("policy", 0, text, "a policy", e);
                }
            },
            allocationLimit: 1 << 18
        );
    }
}
