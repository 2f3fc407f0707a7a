using NativeAmp.Training.Checkpoints;
using NativeAmp.Training.Data;
using NativeAmp.Training.Export;

namespace NativeAmp.Training.Tests.Fuzzing;

/// <summary>Mutated folders of transformers: a model or a typed error, in bounded memory.</summary>
public class TransformersFuzzTests
{
    private const int Limit = 4 << 20;

    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nativeamp-").FullName;
        using var model = new Gpt(
            new GptOptions
            {
                Vocabulary = 5,
                Context = 3,
                Width = 4,
                Heads = 2,
                Blocks = 1,
            },
            new RandomGenerator(1)
        );
        TransformersGpt2.Save(model, _folder);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Configurations_by_bytes() => Holds("config.json", Fuzz.Mutate);

    [Test]
    public void Configurations_by_their_text() => Holds("config.json", JsonMutation.Mutate);

    [Test]
    public void Tensors_by_bytes() => Holds("model.safetensors", Fuzz.Mutate);

    private void Holds(string name, Func<byte[], Random, byte[]> mutate)
    {
        string path = Path.Combine(_folder, name);
        byte[] good = File.ReadAllBytes(path);
        var random = new Random(20_261_127);
        int refused = 0;
        for (int i = 0; i < Fuzz.Count; i++)
        {
            File.WriteAllBytes(path, mutate(good, random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using Gpt model = TransformersGpt2.Load(_folder);
                Assert.That(model.Parameters(), Has.Count.EqualTo(4 + 12 * model.Options.Blocks));
            }
            catch (Exception e) when (e is DataFormatException or CheckpointException)
            {
                refused++;
            }

            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(Limit), $"mutation {i}");
        }

        Assert.That(refused, Is.InRange(1, Fuzz.Count - 1));
    }
}
