namespace NativeAmp.Training.Data;

/// <summary>Grey images of one size with one label each, kept as bytes and normalised as they are used.</summary>
public sealed class ImageDataset : IDataset
{
    private readonly byte[] _images;
    private readonly byte[] _labels;
    private readonly int[] _featureShape;
    private readonly float[] _normalized = new float[256];

    private ImageDataset(byte[] images, byte[] labels, int height, int width, int classes, Normalization normalization)
    {
        _images = images;
        _labels = labels;
        Classes = classes;
        _featureShape = [1, height, width];
        FeaturesPerSample = height * width;
        Normalization = normalization;
        for (int value = 0; value < 256; value++)
            _normalized[value] = (float)((value / 255.0 - normalization.Mean) / normalization.Deviation);
    }

    /// <inheritdoc/>
    public long Count => _labels.Length;

    /// <inheritdoc/>
    public int Classes { get; }

    /// <summary>[1, height, width].</summary>
    public ReadOnlySpan<int> FeatureShape => _featureShape;

    /// <inheritdoc/>
    public int FeaturesPerSample { get; }

    /// <inheritdoc/>
    public int TokensPerSample => 0;

    /// <inheritdoc/>
    public int TargetsPerSample => 1;

    /// <summary>How pixels are brought to mean 0 and deviation 1.</summary>
    public Normalization Normalization { get; }

    /// <summary>Reads a pair of IDX files, plain or gzip.</summary>
    /// <param name="imagesPath">[count, height, width] unsigned bytes.</param>
    /// <param name="labelsPath">[count] unsigned bytes, each below <paramref name="classes"/>.</param>
    /// <param name="classes">Number of classes, 1 to 256.</param>
    /// <param name="normalization">What the pixels are normalised with; null for these images' own mean and deviation.
    /// A test set takes its training set's.</param>
    /// <exception cref="DataFormatException">A file is damaged, or the two do not fit each other.</exception>
    public static ImageDataset Load(string imagesPath, string labelsPath, int classes, Normalization? normalization = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(classes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(classes, 256);
        (int[] shape, byte[] images) = IdxReader.ReadAll(imagesPath);
        if (shape.Length != 3 || shape[1] == 0 || shape[2] == 0)
            throw new DataFormatException(imagesPath, 3, $"shape [{string.Join(", ", shape)}]", "images [count, height, width]");
        (int[] labelShape, byte[] labels) = IdxReader.ReadAll(labelsPath);
        if (labelShape.Length != 1 || labelShape[0] != shape[0])
            throw new DataFormatException(labelsPath, 3, $"shape [{string.Join(", ", labelShape)}]",
                $"[{shape[0]}], one label for each image of {imagesPath}");
        int bad = classes == 256 ? -1 : labels.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)(classes - 1));
        if (bad >= 0)
            throw new DataFormatException(labelsPath, 8 + bad, $"label {labels[bad]}", $"0 to {classes - 1}");
        return new ImageDataset(images, labels, shape[1], shape[2], classes, normalization ?? Normalization.Of(images));
    }

    /// <inheritdoc/>
    public void Fill(long index, long epoch, Span<float> features, Span<int> tokens, Span<int> targets)
    {
        ReadOnlySpan<byte> image = _images.AsSpan(checked((int)index) * FeaturesPerSample, FeaturesPerSample);
        ReadOnlySpan<float> normalized = _normalized;
        for (int i = 0; i < image.Length; i++)
            features[i] = normalized[image[i]];
        targets[0] = _labels[(int)index];
    }
}
