using System.Text.Json;
using NativeAmp.Cli.Output;

namespace NativeAmp.Training.Tests.Cli;

[TestFixtureSource(typeof(TestDevices), nameof(TestDevices.All))]
public class VerifyTests(DeviceKind kind) : FolderTests
{
    private static readonly string Golden = Path.Combine(TestContext.CurrentContext.TestDirectory, "golden");

    [Test]
    public void Every_golden_file_passes()
    {
        (int code, string output, string error) = Verify(Golden);
        Assert.That(code, Is.EqualTo(ExitCode.Success), output + error);
        using (Device device = kind.Open())
            Assert.That(output, Does.Contain($"within tolerance on {device.Info.Name}"));
        foreach (string kind in (string[])["adam", "sgd", "scaler", "unscale", "layers", "training", "amp_training"])
            Assert.That(output, Does.Contain(kind + ".json"));
    }

    [TestCase("adam.json", "\"step\":1", "\"step\":2")]
    [TestCase("sgd.json", "\"after\":[{\"p\":[", "\"after\":[{\"p\":[9,")]
    [TestCase("scaler.json", "\"trackers\":[1,", "\"trackers\":[2,")]
    [TestCase("unscale.json", "\"foundInf\":0", "\"foundInf\":1")]
    [TestCase("training.json", "\"losses\":[", "\"losses\":[9,")]
    [TestCase("amp_training.json", "\"foundInf\":[1", "\"foundInf\":[0")]
    [TestCase("layers.json", "\"output\":{\"shape\":[5,3],\"data\":[", "\"output\":{\"shape\":[16],\"data\":[1,")]
    public void A_value_that_is_off_fails(string file, string from, string to)
    {
        string json = File.ReadAllText(Path.Combine(Golden, file));
        int at = json.IndexOf(from, StringComparison.Ordinal);
        Assert.That(at, Is.GreaterThanOrEqualTo(0), "nothing would be changed");
        File.WriteAllText(Path.Combine(Folder, file), json[..at] + to + json[(at + from.Length)..]);
        (int code, string output, _) = Verify(Folder);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(output, Does.Contain("FAIL").And.Contain(file));
    }

    [Test]
    public void Other_names_are_recognised_by_content_and_unknown_files_are_named()
    {
        File.Copy(Path.Combine(Golden, "training.json"), Path.Combine(Folder, "seed-7.json"));
        File.WriteAllText(Path.Combine(Folder, "package.json"), "{\"name\":\"x\"}");
        (int code, string json, _) = Verify(Folder, "--json");
        Assert.That(code, Is.EqualTo(ExitCode.Success));
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.That(document.RootElement.GetProperty("unknown_files")[0].GetString(), Is.EqualTo("package.json"));
        JsonElement first = document.RootElement.GetProperty("cases")[0];
        Assert.That(first.GetProperty("file").GetString(), Is.EqualTo("seed-7.json"));
        Assert.That(first.GetProperty("passed").GetBoolean(), Is.True);
    }

    [Test]
    public void AFolder_without_golden_files_is_no_success()
    {
        (int code, string output, _) = Verify(Folder);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(output, Does.Contain("no golden file"));
    }

    [Test]
    public void A_file_that_is_not_json_is_named_and_the_others_are_checked()
    {
        File.WriteAllText(Path.Combine(Folder, "adam.json"), "{\"cases\": [");
        File.Copy(Path.Combine(Golden, "scaler.json"), Path.Combine(Folder, "scaler.json"));
        (int code, string output, _) = Verify(Folder);
        Assert.That(code, Is.EqualTo(ExitCode.Failure));
        Assert.That(output, Does.Contain("FAIL adam.json").And.Contain("scaler.json"));
    }

    [TestCase("adam.json", "{\"cases\":[null]}")]
    [TestCase("sgd.json", "{\"cases\":[{\"p0\":[1],\"grads\":[[1]],\"foundInf\":[0],\"after\":[null]}]}")]
    [TestCase("scaler.json", "{\"cases\":[null]}")]
    [TestCase("unscale.json", "{\"cases\":[null]}")]
    [TestCase("layers.json", "{\"ops\":[null]}")]
    [TestCase("training.json", "{\"initial\":[null],\"losses\":[1]}")]
    [TestCase("training.json", "null")]
    public void Null_in_a_file_is_a_failed_row_and_the_others_are_checked(string file, string content)
    {
        File.WriteAllText(Path.Combine(Folder, file), content);
        File.Copy(Path.Combine(Golden, "scaler.json"), Path.Combine(Folder, "z.json"));
        Directory.CreateDirectory(Path.Combine(Folder, "folder.json"));
        (int code, string output, string error) = Verify(Folder);
        Assert.That((code, error), Is.EqualTo((ExitCode.Failure, "")));
        Assert.That(output, Does.Contain("FAIL " + file).And.Contain("z.json"));
    }

    private (int Code, string Output, string Error) Verify(string folder, params string[] more)
    {
        using (kind.Open())
        {
            // Skips if there is no such device.
        }

        return CliHost.Run(["verify", folder, "--device", kind.ToString().ToLowerInvariant(), .. more]);
    }
}
