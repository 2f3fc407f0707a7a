// Regression on the rows of a CSV file, with the ready-made loop: dotnet run [FILE]. The last column is what is to be
// predicted, the others are what from. Without a file the program writes one: how far a ball flies, thrown at a speed
// (m/s), an angle (degrees) and from a height (m).
using System.Globalization;
using NativeAmp;
using NativeAmp.Training;
using NativeAmp.Training.Data;

string file = args.Length > 0 ? args[0] : WriteThrows();
float[][] rows =
[
    .. File.ReadLines(file)
        .Skip(1)
        .Select(line => line.Split(',').Select(cell => float.Parse(cell, CultureInfo.InvariantCulture)).ToArray()),
];
int inputs = rows[0].Length - 1;

// Networks learn from numbers around 1 with a mean of 0: subtract each column's mean, divide by its deviation.
float[] mean = [.. Enumerable.Range(0, inputs + 1).Select(column => rows.Average(row => row[column]))];
float[] deviation =
[
    .. mean.Select((m, column) => MathF.Sqrt(rows.Average(row => (row[column] - m) * (row[column] - m)))),
];
float[][] scaled = [.. rows.Select(row => row.Select((value, i) => (value - mean[i]) / deviation[i]).ToArray())];

using var device = Device.Best();
using var model = new Sequential(new Linear(inputs, 64), new Gelu(), new Linear(64, 64), new Gelu(), new Linear(64, 1));
using var trainer = new Trainer(
    model,
    Part(scaled[..(rows.Length * 4 / 5)]),
    Part(scaled[(rows.Length * 4 / 5)..]),
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
                $"epoch {epoch.Epoch}: error {Math.Sqrt(epoch.TestLoss ?? 0) * deviation[^1]:F2} of {deviation[^1]:F2}"
            )
        );
};
trainer.Run();

ArrayDataset Part(float[][] part)
{
    var data = new ArrayDataset(part.Length);
    data.Add("inputs", [.. part.SelectMany(row => row[..inputs])], [inputs]);
    data.Add("target", [.. part.Select(row => row[inputs])], [1]);
    return data;
}

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
