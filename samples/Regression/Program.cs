// Regression on the rows of a CSV file, with the ready-made loop: dotnet run [FILE]. The last column is what is to be
// predicted, the others are what from. Without a file the program writes one: how far a ball flies, thrown at a speed
// (m/s), an angle (degrees) and from a height (m).
using System.Globalization;
using NativeAmp;
using NativeAmp.Training;
using NativeAmp.Training.Data;

string file = args.Length > 0 ? args[0] : WriteThrows();
CsvDataset data = CsvDataset.Load(file, new CsvOptions { NormalizeTargets = true });
var (train, test) = data.RandomSplit(0.8, seed: 1);
double deviation = data.TargetNormalization[0].Deviation;
int inputs = data.InputColumns.Count;

using var device = Device.Best();
using var model = new Sequential(new Linear(inputs, 64), new Gelu(), new Linear(64, 64), new Gelu(), new Linear(64, 1));
using var trainer = new Trainer(
    model,
    train,
    test,
    device,
    new TrainerOptions
    {
        Epochs = 60,
        Batch = 32,
        Optimizer = new AdamOptions { LearningRate = 3e-3f },
        Precision = PrecisionPolicy.Parse("params=float32,compute=bfloat16,loss=float32"),
        Loss = (module, fields) => Loss.MeanSquaredError(module.Call(fields[0]), fields[1]),
    }
);
trainer.EpochCompleted += (_, epoch) =>
{
    if (epoch.Epoch % 20 == 0)
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"epoch {epoch.Epoch}: error {Math.Sqrt(epoch.TestLoss ?? 0) * deviation:F2} of {deviation:F2}"
            )
        );
};
trainer.Run();

static string WriteThrows()
{
    var random = new Random(1);
    string path = Path.Combine(Path.GetTempPath(), $"throws-{Environment.ProcessId}.csv");
    var lines = Enumerable
        .Range(0, 1000)
        .Select(_ =>
        {
            double speed = 5 + 25 * random.NextDouble(),
                angle = 80 * random.NextDouble(),
                height = 10 * random.NextDouble();
            double up = speed * Math.Sin(angle * Math.PI / 180),
                along = speed * Math.Cos(angle * Math.PI / 180);
            double distance = along * (up + Math.Sqrt(up * up + 2 * 9.81 * height)) / 9.81;
            return string.Create(CultureInfo.InvariantCulture, $"{speed:F2},{angle:F2},{height:F2},{distance:F2}");
        });
    File.WriteAllLines(path, lines.Prepend("speed,angle,height,distance"));
    return path;
}
