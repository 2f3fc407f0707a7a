using NativeAmp;
using NativeAmp.Training.Data;
using SkiaSharp;

namespace ImageFolderSample;

/// <summary>
/// Images in a folder for each class. They are read when a batch needs them, on the loader's thread, so that a folder
/// may be larger than memory.
/// </summary>
public sealed class ImageFolder : IDataset
{
    private readonly int _size;
    private readonly (string File, int Class)[] _images;

    public ImageFolder(string folder, int size)
    {
        _size = size;
        string[] folders = [.. Directory.GetDirectories(folder).Order(StringComparer.Ordinal)];
        Classes = [.. folders.Select(path => Path.GetFileName(path))];
        _images = [.. folders.SelectMany((path, i) => Directory.GetFiles(path).Order().Select(file => (file, i)))];
        Fields =
        [
            new DataField
            {
                Name = "image",
                DType = DType.Float32,
                Shape = [3, size, size],
            },
            new DataField { Name = "class", DType = DType.Int32 },
        ];
    }

    public IReadOnlyList<string> Classes { get; }

    public long Count => _images.Length;

    public IReadOnlyList<DataField> Fields { get; }

    public void Fill(long index, long epoch, Sample sample)
    {
        (string file, int imageClass) = _images[index];
        using SKBitmap image = SKBitmap.Decode(file) ?? throw new InvalidDataException($"{file} is no image.");
        var info = new SKImageInfo(_size, _size, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using SKBitmap scaled = image.Resize(info, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        ReadOnlySpan<byte> pixels = scaled.GetPixelSpan();
        Span<float> planes = sample.Floats(0);
        for (int pixel = 0; pixel < _size * _size; pixel++)
        for (int color = 0; color < 3; color++)
            planes[color * _size * _size + pixel] = pixels[4 * pixel + color] / 127.5f - 1;
        sample.Integers(1)[0] = imageClass;
    }
}
