using NativeAmp.Training.Data;

namespace NativeAmp.Training.Tests.Data;

/// <summary>Names, labels and sizes of the data sets that follow MNIST.</summary>
public class MnistFilesTests : FolderTests
{
    [TestCase("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")]
    [TestCase("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte")]
    [TestCase("train_images_idx3_ubyte", "train_labels_idx1_ubyte", "test_images_idx3_ubyte", "test_labels_idx1_ubyte")]
    [TestCase(
        "emnist-letters-train-images-idx3-ubyte",
        "emnist-letters-train-labels-idx1-ubyte",
        "emnist-letters-test-images-idx3-ubyte",
        "emnist-letters-test-labels-idx1-ubyte"
    )]
    [TestCase(
        "qmnist-train-images-idx3-ubyte",
        "qmnist-train-labels-idx2-int",
        "qmnist-test-images-idx3-ubyte",
        "qmnist-test-labels-idx2-int"
    )]
    public void Every_name_of_the_family_is_found_plain_and_gzip(params string[] names)
    {
        foreach (bool gzip in (bool[])[false, true])
        {
            string folder = Directory.CreateDirectory(Path.Combine(Folder, gzip.ToString())).FullName;
            Write(folder, names[0], names[1], [3, 0, 9], gzip);
            Write(folder, names[2], names[3], [1, 2], gzip);
            File.WriteAllText(Path.Combine(folder, "README.txt"), "not data");
            (ImageDataset train, ImageDataset test) = MnistFiles.Load(folder);
            Assert.That((train.Classes, train.FirstLabel), Is.EqualTo((10, 0)));
            Assert.That((Labels(train), Labels(test)), Is.EqualTo((new[] { 3, 0, 9 }, new[] { 1, 2 })));
        }
    }

    [TestCase(new[] { 0, 4 }, null, 0, 10)]
    [TestCase(new[] { 3, 3 }, null, 0, 10)]
    [TestCase(new[] { 1, 26, 7 }, null, 1, 26)]
    [TestCase(new[] { 0, 46 }, null, 0, 47)]
    [TestCase(new[] { 1, 26 }, 26, 1, 26)]
    [TestCase(new[] { 1, 26 }, 27, 0, 27)]
    [TestCase(new[] { 0, 4 }, 5, 0, 5)]
    [TestCase(new[] { 1, 5 }, 5, 1, 5)]
    [TestCase(new[] { 1, 255 }, null, 1, 255)]
    [TestCase(new[] { 0, 255 }, null, 0, 256)]
    public void Classes_are_given_or_found(int[] labels, int? given, int first, int classes)
    {
        Write(Folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", labels, gzip: false);
        Write(Folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", labels[..1], gzip: false);
        (ImageDataset train, ImageDataset test) = MnistFiles.Load(Folder, given);
        Assert.That(
            (train.FirstLabel, train.Classes, test.FirstLabel, test.Classes),
            Is.EqualTo((first, classes, first, classes))
        );
        Assert.That(Labels(train), Is.EqualTo(labels.Select(label => label - first)));
    }

    [TestCase(new[] { 0, 5 }, 5, "label 5", "0 to 4, for 5 classes")]
    [TestCase(new[] { 1, 6 }, 5, "label 6", "0 to 4, for 5 classes")]
    [TestCase(new[] { 1, 27 }, 26, "label 27", "0 to 25, for 26 classes")]
    public void A_label_that_does_not_fit_is_named_with_the_range(
        int[] labels,
        int given,
        string found,
        string expected
    )
    {
        Write(Folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", labels, gzip: false);
        Write(Folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", [0], gzip: false);
        var e = Assert.Throws<DataFormatException>(() => MnistFiles.Load(Folder, given));
        Assert.That((e.Found, e.Expected), Is.EqualTo((found, expected)));
    }

    [Test]
    public void A_test_label_that_training_does_not_know_is_refused()
    {
        Write(Folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", [1, 26], gzip: false);
        Write(Folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", [0], gzip: false);
        Assert.That(
            Assert.Throws<DataFormatException>(() => MnistFiles.Load(Folder)).Expected,
            Does.StartWith("1 to 26")
        );
    }

    [Test]
    public void Of_several_sets_one_is_named_and_a_plain_name_goes_before_all()
    {
        foreach (string set in (string[])["emnist-letters-", "emnist-digits-"])
        {
            Write(Folder, set + "train-images-idx3-ubyte", set + "train-labels-idx1-ubyte", [set.Length], gzip: true);
            Write(Folder, set + "test-images-idx3-ubyte", set + "test-labels-idx1-ubyte", [1], gzip: true);
        }

        var e = Assert.Throws<FileNotFoundException>(() => MnistFiles.Load(Folder));
        Assert.That(
            e.Message,
            Does.Contain("emnist-digits, emnist-letters").And.Contain(Path.Combine(Folder, "emnist-digits"))
        );
        Assert.That(Labels(MnistFiles.Load(Path.Combine(Folder, "emnist-digits"), 20).Train), Is.EqualTo(new[] { 14 }));
        e = Assert.Throws<FileNotFoundException>(() => MnistFiles.Load(Path.Combine(Folder, "emnist-balanced")));
        Assert.That(e.Message, Does.Contain("emnist-digits, emnist-letters"));

        Write(Folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", [7], gzip: false);
        Write(Folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", [7], gzip: false);
        Assert.That(Labels(MnistFiles.Load(Folder).Train), Is.EqualTo(new[] { 7 }));
    }

    [Test]
    public void What_is_missing_is_named_with_what_was_looked_for_and_what_is_there()
    {
        File.WriteAllText(Path.Combine(Folder, "gzip.zip"), "the whole of EMNIST");
        Assert.That(Message(), Does.Contain("it holds gzip.zip").And.Contain("train-images-idx3-ubyte"));
        Write(
            Folder,
            "emnist-letters-train-images-idx3-ubyte",
            "emnist-letters-train-labels-idx1-ubyte",
            [1],
            gzip: true
        );
        Assert.That(Message(), Does.Contain("emnist-letters-t10k-images and emnist-letters-t10k-labels is not there"));
        Assert.That(
            Assert.Throws<FileNotFoundException>(() => MnistFiles.Load(Path.Combine(Folder, "a", "b"))).Message,
            Does.Contain("no such folder")
        );

        string Message() => Assert.Throws<FileNotFoundException>(() => MnistFiles.Load(Folder)).Message;
    }

    [Test]
    public void Images_whose_pixels_do_not_fit_an_array_are_refused_though_there_are_none()
    {
        string images = Path.Combine(Folder, "images");
        string labels = Path.Combine(Folder, "labels");
        File.WriteAllBytes(images, Idx.Bytes([0, 65536, 65537], []));
        File.WriteAllBytes(labels, Idx.Bytes([0], []));
        Assert.That(
            Assert.Throws<DataFormatException>(() => ImageDataset.Load(images, labels, 10)).Found,
            Is.EqualTo("images of 65536 × 65537")
        );
    }

    private static int[] Labels(ImageDataset data)
    {
        var batch = new Batch(data, 1);
        return
        [
            .. Enumerable
                .Range(0, (int)data.Count)
                .Select(i =>
                {
                    batch.Fill([i]);
                    return batch.Integers(1)[0];
                }),
        ];
    }

    /// <summary>
    /// Images of 5 × 4; labels as bytes, or as rows of eight big-endian integers, depending on the name.
    /// </summary>
    private static void Write(string folder, string images, string labels, int[] values, bool gzip)
    {
        Put(images, Idx.Bytes([values.Length, 5, 4], new byte[values.Length * 20]));
        if (!labels.EndsWith("int", StringComparison.Ordinal))
        {
            Put(labels, Idx.Bytes([values.Length], [.. values.Select(value => (byte)value)]));
            return;
        }

        byte[] rows = Idx.Bytes(
            [values.Length, 8],
            [.. values.SelectMany(value => (byte[])[0, 0, 0, (byte)value, .. Enumerable.Repeat((byte)0x7F, 28)])]
        );
        rows[2] = 0x0C;
        Put(labels, rows);

        void Put(string name, byte[] bytes) =>
            File.WriteAllBytes(Path.Combine(folder, name + (gzip ? ".gz" : "")), gzip ? Idx.Gzip(bytes) : bytes);
    }
}
