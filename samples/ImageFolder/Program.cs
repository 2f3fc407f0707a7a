// Learns to tell images apart: dotnet run [FOLDER], with a folder of images for each class in it. Without one the
// program draws discs and squares of random colors, sizes and places.
using System.Globalization;
using ImageFolderSample;
using NativeAmp;
using NativeAmp.Training;
using NativeAmp.Training.Data;
using SkiaSharp;

string folder = args.Length > 0 ? args[0] : Draw(count: 240);
const int Size = 24;
var images = new ImageFolder(folder, Size);
var (train, test) = images.RandomSplit(0.8, seed: 1);

using var device = Device.Best();
using var model = new Sequential(
    new Conv2d(3, 16, 3, padding: 1),
    new Relu(),
    new MaxPool2d(2),
    new Conv2d(16, 32, 3, padding: 1),
    new Relu(),
    new MaxPool2d(2),
    new Flatten(),
    new Linear(32 * (Size / 4) * (Size / 4), images.Classes.Count)
);
using var trainer = new Trainer(
    model,
    train,
    test,
    device,
    new TrainerOptions
    {
        Epochs = 15,
        Batch = 16,
        Optimizer = new AdamOptions { LearningRate = 3e-3f },
        Precision = PrecisionPolicy.BFloat16,
    }
);
trainer.EpochCompleted += (_, epoch) =>
{
    if (epoch.Epoch % 5 == 0)
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"epoch {epoch.Epoch}: accuracy {epoch.TestAccuracy:F3}")
        );
};
trainer.Run();
Console.WriteLine($"classes: {string.Join(", ", images.Classes)}");

static string Draw(int count)
{
    var random = new Random(1);
    string folder = Path.Combine(Path.GetTempPath(), $"shapes-{Environment.ProcessId}");
    for (int i = 0; i < count; i++)
    {
        string kind = i % 2 == 0 ? "disc" : "square";
        Directory.CreateDirectory(Path.Combine(folder, kind));
        using var bitmap = new SKBitmap(48, 48);
        using var canvas = new SKCanvas(bitmap);
        using var paint = new SKPaint { Color = Color(from: 128), IsAntialias = true };
        canvas.Clear(Color(from: 0));
        float radius = 8 + 10 * random.NextSingle();
        float x = radius + (48 - 2 * radius) * random.NextSingle();
        float y = radius + (48 - 2 * radius) * random.NextSingle();
        if (kind == "disc")
            canvas.DrawCircle(x, y, radius, paint);
        else
            canvas.DrawRect(x - radius, y - radius, 2 * radius, 2 * radius, paint);
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        using var file = File.Create(Path.Combine(folder, kind, $"{i:D3}.png"));
        png.SaveTo(file);
    }
    return folder;

    // Bright shapes on dark ground.
    SKColor Color(int from) => new(Channel(from), Channel(from), Channel(from));

    byte Channel(int from) => (byte)random.Next(from, from + 128);
}
