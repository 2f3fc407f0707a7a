namespace NativeAmp.Training.Data;

/// <summary>
/// Gray images of one size with one label each. They are kept as bytes and normalized when they are read.
/// </summary>
public sealed class ImageDataset : IDataset
{
    private readonly byte[] _images;
    private readonly byte[] _labels;
    private readonly float[] _normalized = new float[256];

    private ImageDataset(
        byte[] images,
        byte[] labels,
        int height,
        int width,
        int classes,
        int firstLabel,
        Normalization normalization
    )
    {
        _images = images;
        _labels = labels;
        Classes = classes;
        FirstLabel = firstLabel;
        (Height, Width) = (height, width);
        Fields =
        [
            new DataField
            {
                Name = "image",
                DType = DType.Float32,
                Shape = [1, height, width],
            },
            new DataField { Name = "label", DType = DType.Int32 },
        ];
        Normalization = normalization;
        for (int value = 0; value < 256; value++)
            _normalized[value] = (float)normalization.Apply(value / 255.0);
    }

    /// <inheritdoc/>
    public long Count => _labels.Length;

    /// <summary>The image, float32 [1, height, width], and its label.</summary>
    public IReadOnlyList<DataField> Fields { get; }

    /// <summary>Number of classes; labels are below it.</summary>
    public int Classes { get; }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    /// <summary>The label of class 0 in the file.</summary>
    public int FirstLabel { get; }

    /// <summary>The mean and standard deviation that pixels are normalized with.</summary>
    public Normalization Normalization { get; }

    /// <summary>Reads a pair of IDX files, plain or gzip.</summary>
    /// <param name="imagesPath">[count, height, width] unsigned bytes.</param>
    /// <param name="labelsPath">[count] unsigned bytes, or 32-bit integers [count] or [count, columns]; the first
    /// column is the label.</param>
    /// <param name="classes">Number of classes, 1 to 256.</param>
    /// <param name="normalization">The normalization of pixels; null for these images' own mean and standard deviation.
    /// Give a test set its training set's.</param>
    /// <param name="firstLabel">The label of class 0: labels run from it to <paramref name="firstLabel"/> +
    /// <paramref name="classes"/> - 1.</param>
    /// <exception cref="DataFormatException">A file is damaged, or the two do not fit each other.</exception>
    /// <exception cref="IOException">A file cannot be opened or read.</exception>
    public static ImageDataset Load(
        string imagesPath,
        string labelsPath,
        int classes,
        Normalization? normalization = null,
        int firstLabel = 0
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(classes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(classes, 256);
        ArgumentOutOfRangeException.ThrowIfNegative(firstLabel);
        (int[] shape, byte[] images) = IdxReader.ReadAll(imagesPath);
        if (shape.Length != 3 || shape[1] == 0 || shape[2] == 0)
            throw new DataFormatException(
                imagesPath,
                3,
                $"shape [{string.Join(", ", shape)}]",
                "images [count, height, width]"
            );
        if ((long)shape[1] * shape[2] > Array.MaxLength)
            throw new DataFormatException(
                imagesPath,
                8,
                $"images of {shape[1]} × {shape[2]}",
                $"no more than {Array.MaxLength} pixels"
            );
        int[] labels = IdxReader.ReadLabels(labelsPath);
        if (labels.Length != shape[0])
            throw new DataFormatException(
                labelsPath,
                3,
                $"{labels.Length} labels",
                $"{shape[0]}, one for each image of {imagesPath}"
            );
        byte[] classOf = new byte[labels.Length];
        for (int i = 0; i < labels.Length; i++)
        {
            long label = (long)labels[i] - firstLabel;
            if (label < 0 || label >= classes)
                throw new DataFormatException(
                    labelsPath,
                    8 + i,
                    $"label {labels[i]}",
                    $"{firstLabel} to {(long)firstLabel + classes - 1}, for {classes} classes"
                );
            classOf[i] = (byte)label;
        }

        return new ImageDataset(
            images,
            classOf,
            shape[1],
            shape[2],
            classes,
            firstLabel,
            normalization ?? Normalization.Of(images)
        );
    }

    /// <inheritdoc/>
    public void Fill(long index, long epoch, Sample sample)
    {
        Span<float> pixels = sample.Floats(0);
        ReadOnlySpan<byte> image = _images.AsSpan(checked((int)index) * pixels.Length, pixels.Length);
        ReadOnlySpan<float> normalized = _normalized;
        for (int i = 0; i < image.Length; i++)
            pixels[i] = normalized[image[i]];
        sample.Integers(1)[0] = _labels[(int)index];
    }
}
