using System.Text.Json;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;
using NativeAmp.Training.Tests.Cli;
using NativeAmp.Training.Tests.Data;

namespace NativeAmp.Training.Tests.Planning;

/// <summary>
/// Plans of NativeAmp's own networks, compared with the counts of runs: the pool's own figures, which do not depend on
/// the planner.
/// </summary>
internal sealed class OwnNetworkTests
{
    private const double Within = 2; // percent

    private static readonly string[] Kinds =
    [
        "parameters",
        "compute_copies",
        "gradients",
        "optimizer_state",
        "activations",
    ];

    private string _images = "";

    [OneTimeSetUp]
    public void WriteImages() =>
        Idx.WriteTinyMnist(
            _images = Directory.CreateTempSubdirectory("plan-images").FullName,
            train: 400,
            test: 10,
            seed: 1
        );

    [OneTimeTearDown]
    public void RemoveImages() => Directory.Delete(_images, recursive: true);

    [Test]
    public void The_cnn_takes_what_is_planned(
        [Values("fp32", "fp16", "bf16")] string precision,
        [Values(5, 96)] int batch
    ) => Check("cnn", precision, batch, []);

    [Test]
    public void The_mlp_takes_what_is_planned(
        [Values("fp32", "fp16", "bf16")] string precision,
        [Values(7, 128)] int batch
    ) => Check("mlp", precision, batch, []);

    // Cases in which the logits take the most memory, or the last block's hidden layer; sizes that are not powers of
    // two; one block, one head.
    [Test]
    public void The_gpt_takes_what_is_planned(
        [Values("fp32", "fp16", "bf16")] string precision,
        [Values("4 64 128 4 3", "2 128 256 8 2", "3 50 96 6 2", "1 33 64 1 1")] string sizes
    )
    {
        string[] s = sizes.Split(' ');
        Check(
            "gpt",
            precision,
            int.Parse(s[0], null),
            ["--context", s[1], "--width", s[2], "--heads", s[3], "--blocks", s[4]]
        );
    }

    [TestCase(1, 256)]
    [TestCase(256, 256)]
    [TestCase(257, 512)]
    [TestCase(4096, 4096)]
    [TestCase(4097, 4608)]
    [TestCase(802_816, 851_968)]
    public void A_piece_takes_its_class_of_the_pool(int bytes, double taken)
    {
        using Device device = Device.Cpu(1);
        long before = device.MemoryStatistics.LiveBytes(MemoryKind.Other);
        using DeviceBuffer piece = device.Allocate(DType.UInt8, bytes, MemoryKind.Other);
        Assert.That(device.MemoryStatistics.LiveBytes(MemoryKind.Other) - before, Is.EqualTo(taken));
        Assert.That(PoolSize.Of(bytes), Is.EqualTo(taken));
    }

    [Test]
    public void Sizes_that_cannot_be_are_refused()
    {
        Assert.That(() => OwnNetworks.Mlp(TrainingPrecision.Fp16, 0), Throws.TypeOf<PlanException>());
        Assert.That(() => OwnNetworks.Cnn(TrainingPrecision.Fp16, 8, height: 3), Throws.TypeOf<PlanException>());
        Assert.That(
            () => OwnNetworks.Gpt(TrainingPrecision.Fp16, 8, width: 100, heads: 7),
            Throws.TypeOf<PlanException>().With.Message.Contains("7 heads")
        );
        Assert.That(() => OwnNetworks.Mlp(TrainingPrecision.Tf32, 8), Throws.TypeOf<PlanException>());
    }

    private void Check(string model, string precision, int batch, string[] sizes)
    {
        string[] both = ["--model", model, "--precision", precision, "--batch", $"{batch}", .. sizes, "--json"];
        string[] data = model == "gpt" ? ["--data", Text(), "--sample", "0"] : ["--data", _images];
        JsonElement counted = Json(["train", .. both, .. data, "--steps", "3", "--threads", "1", "--device", "cpu"])
            .GetProperty("memory");
        JsonElement planned = Json(["plan", .. both]);
        foreach (string kind in Kinds)
        {
            double count = counted.GetProperty(kind).GetDouble();
            TestContext.Out.WriteLine(
                $"{kind}: planned {planned.GetProperty(kind).GetDouble():N0}, counted {count:N0}"
            );
            Assert.That(planned.GetProperty(kind).GetDouble(), Is.EqualTo(count).Within(Within).Percent, kind);
        }
    }

    private static JsonElement Json(string[] arguments)
    {
        (int code, string output, string error) = CliHost.Run(arguments);
        Assert.That(code, Is.EqualTo(ExitCode.Success), error);
        using JsonDocument document = JsonDocument.Parse(output);
        return document.RootElement.Clone();
    }

    private static string Text()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "plan-text.txt");
        File.WriteAllText(path, string.Concat(Enumerable.Range(0, 2000).Select(i => $"line {i} of a text\n")));
        return path;
    }
}
