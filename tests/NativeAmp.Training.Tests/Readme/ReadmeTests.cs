using System.Reflection;
using System.Runtime.CompilerServices;

namespace NativeAmp.Training.Tests.Readme;

public class ReadmeTests
{
    private static readonly string Root = typeof(ReadmeTests)
        .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .First(attribute => attribute.Key == "RepositoryRoot")
        .Value!;

    [Test]
    public void The_call_site_is_this_code()
    {
        string source = File.ReadAllText(ThisFile());
        string[] lines = Between(source, "        // " + "<README>\n", "        // " + "</README>").Split('\n');
        string code = string.Join('\n', lines.Select(line => line.Length >= 8 ? line[8..] : line)).TrimEnd();
        string readme = File.ReadAllText(Path.Combine(Root, "README.md"));
        Assert.That(Between(readme, "```csharp\n", "```").TrimEnd(), Is.EqualTo(code));
    }

    [Test]
    public void The_page_for_users_of_torch_amp_shows_a_part_of_it()
    {
        string page = File.ReadAllText(Path.Combine(Root, "docs", "from-torch-amp.md"));
        string readme = File.ReadAllText(Path.Combine(Root, "README.md"));
        Assert.That(Between(readme, "```csharp\n", "```"), Does.EndWith(Between(page, "```csharp\n", "```")));
    }

    [Test]
    public void The_call_site_trains()
    {
        // One of four quadrants is bright: ten steps are enough to see the loss fall.
        var random = new Random(5);
        List<(float[] Pixels, int[] Labels)> data = [];
        for (int i = 0; i < 10; i++)
            data.Add(Batch(random));
        List<float> losses = [];
        CallSite(Tensors, losses.Add);
        Assert.That(losses[^1], Is.LessThan(losses[0]));

        IEnumerable<(Tensor Images, Tensor Labels)> Tensors(Device device)
        {
            foreach ((float[] pixels, int[] labels) in data)
            {
                using Tensor images = Tensor.From(device, pixels, [8, 1, 28, 28]);
                using Tensor targets = Tensor.From(device, labels, [8]);
                yield return (images, targets);
            }
        }
    }

    private static void CallSite(Func<Device, IEnumerable<(Tensor, Tensor)>> load, Action<float> show)
    {
        // <README>
        using var device = Device.Best(); // CUDA if a driver is there, else the CPU
        var policy = PrecisionPolicy.Parse("params=float32,compute=float16,loss=float32");

        using var model = new Sequential(
            new Conv2d(1, 32, kernel: 3, padding: 1),
            new Relu(),
            new MaxPool2d(2),
            new Conv2d(32, 64, kernel: 3, padding: 1),
            new Relu(),
            new MaxPool2d(2),
            new Flatten(),
            new Linear(3136, 128),
            new Relu(),
            new Linear(128, 10)
        ).To(device);

        using var optimizer = new FusedAdam(
            model.Parameters(),
            new AdamOptions { LearningRate = 1e-3f, WeightDecay = 0.01f }
        );
        using var scaler = new GradScaler(device, GradScalerOptions.PyTorch);

        foreach (var (images, labels) in load(device))
        {
            using (Autocast.Enter(policy))
            {
                var loss = Loss.CrossEntropy(model.Forward(images), labels);
                scaler.Scale(loss).Backward();
                show(loss.Item());
            }
            optimizer.ClipGradNorm(1.0f);
            scaler.Step(optimizer); // skipped where a gradient is not finite
            scaler.Update();
            optimizer.ZeroGrad();
        }
        // </README>
    }

    private static (float[] Pixels, int[] Labels) Batch(Random random)
    {
        float[] pixels = new float[8 * 784];
        int[] labels = new int[8];
        for (int i = 0; i < 8; i++)
        {
            labels[i] = random.Next(4);
            for (int y = 0; y < 14; y++)
                pixels.AsSpan(i * 784 + (labels[i] / 2 * 14 + y) * 28 + labels[i] % 2 * 14, 14).Fill(1);
        }

        return (pixels, labels);
    }

    private static string Between(string text, string start, string end)
    {
        int from = text.IndexOf(start, StringComparison.Ordinal);
        Assert.That(from, Is.GreaterThanOrEqualTo(0), $"'{start}' is not there");
        from += start.Length;
        return text[from..text.IndexOf(end, from, StringComparison.Ordinal)];
    }

    private static string ThisFile([CallerFilePath] string path = "") =>
        File.Exists(path) ? path : Path.Combine(Root, "tests/NativeAmp.Training.Tests/Readme/ReadmeTests.cs");
}
