using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Data;

public class DatasetTests : FolderTests
{
    [Test]
    public void Images_are_normalized_by_the_training_set()
    {
        Idx.WriteTinyMnist(Folder, train: 50, test: 20, seed: 3);
        (ImageDataset train, ImageDataset test) = FashionMnist.Load(Folder);
        Assert.That((train.Count, test.Count, train.Classes), Is.EqualTo((50L, 20L, 10)));
        Assert.That(train.Fields[0].Shape, Is.EqualTo(new Shape(1, 28, 28)));
        Assert.That(test.Normalization, Is.EqualTo(train.Normalization));

        double sum = 0,
            squares = 0;
        var batch = new Batch(train, 1);
        for (int i = 0; i < 50; i++)
        {
            batch.Fill([i]);
            float[] pixels = batch.Floats(0).ToArray();
            sum += pixels.Sum(p => (double)p);
            squares += pixels.Sum(p => (double)p * p);
        }

        Assert.That(sum / (50 * 784), Is.EqualTo(0).Within(1e-6));
        Assert.That(squares / (50 * 784), Is.EqualTo(1).Within(1e-5));
    }

    [Test]
    public void A_missing_data_set_names_the_package()
    {
        var e = Assert.Throws<FileNotFoundException>(() => FashionMnist.Load(Folder));
        Assert.That(
            e.Message,
            Does.Contain("dataset-fashion-mnist").And.Contain(Folder).And.Contain(FashionMnist.DirectoryVariable)
        );
    }

    [Test]
    public void Labels_must_fit_the_images_and_the_classes()
    {
        Idx.WriteTinyMnist(Folder, train: 5, test: 5, seed: 3);
        string labels = Path.Combine(Folder, "train-labels-idx1-ubyte");
        File.WriteAllBytes(labels, Idx.Bytes([4], [0, 1, 2, 3]));
        Assert.Throws<DataFormatException>(() => FashionMnist.Load(Folder));
        File.WriteAllBytes(labels, Idx.Bytes([5], [0, 1, 10, 3, 4]));
        var e = Assert.Throws<DataFormatException>(() => FashionMnist.Load(Folder));
        Assert.That((e.Offset, e.Found), Is.EqualTo((10L, "label 10")));
    }

    [Test]
    public void Text_targets_are_the_bytes_after()
    {
        byte[] text = Enumerable.Range(0, 1000).Select(i => (byte)(i % 256)).ToArray();
        var data = new TextDataset(text, context: 16);
        var batch = new Batch(data, 1);
        HashSet<int> phases = [];
        for (int epoch = 0; epoch < 40; epoch++)
        {
            for (int i = 0; i < data.Count; i++)
            {
                batch.Fill([i], epoch);
                int[] tokens = batch.Integers(0).ToArray(),
                    targets = batch.Integers(1).ToArray();
                Assert.That(targets, Is.EqualTo(tokens.Select(t => (t + 1) % 256)));
                if (i == 0)
                    phases.Add(tokens[0]);
            }
        }

        Assert.That(phases, Has.Count.GreaterThan(8), "each pass cuts anew");
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Fill([data.Count]));
    }

    [TestCase(17)]
    [TestCase(18)]
    [TestCase(31)]
    [TestCase(32)]
    [TestCase(33)]
    [TestCase(48)]
    [TestCase(49)]
    public void Short_texts_have_a_window_and_no_more_than_fits(int length)
    {
        var data = new TextDataset(Enumerable.Range(0, length).Select(i => (byte)i).ToArray(), context: 16);
        var batch = new Batch(data, 1);
        for (int epoch = 0; epoch < 20; epoch++)
        {
            for (int i = 0; i < data.Count; i++)
                batch.Fill([i], epoch);
        }

        Assert.That(data.Count, Is.GreaterThanOrEqualTo(1));
        Assert.That(batch.Integers(1)[^1], Is.LessThan(length));
    }

    [Test]
    public void A_text_shorter_than_its_context_is_refused()
    {
        string path = Path.Combine(Folder, "short.txt");
        File.WriteAllText(path, "too short");
        var e = Assert.Throws<DataFormatException>(() => TextDataset.Load(path, 128));
        Assert.That(e.Message, Does.Contain("short.txt").And.Contain("128"));
    }
}
