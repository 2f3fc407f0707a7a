// Learns a class from the rows of a CSV file: dotnet run [FILE COLUMN]. The column is the one of the classes; all
// others are numbers. Without a file the program writes one: fruits by length, width (mm) and weight (g).
using System.Globalization;
using NativeAmp;
using NativeAmp.Training;
using NativeAmp.Training.Data;

(string file, string column) = args.Length == 2 ? (args[0], args[1]) : (WriteFruits(), "fruit");
CsvDataset data = CsvDataset.Load(file, new CsvOptions { Label = column });
var (train, test) = data.RandomSplit(0.8, seed: 1);
int inputs = data.InputColumns.Count;

using var device = Device.Best();
using var model = new Sequential(new Linear(inputs, 32), new Gelu(), new Linear(32, data.Classes.Count)).To(device);
using var optimizer = new FusedAdam(model.Parameters(), new AdamOptions { LearningRate = 1e-2f });
using var loader = new BatchLoader(train, batch: 32, seed: 1);
for (int step = 1; step <= 300; step++)
{
    Batch batch = loader.Next();
    using var scope = TensorScope.Enter();
    using var x = Tensor.From<float>(device, batch.Floats(0), [batch.Count, inputs]);
    using var y = Tensor.From<int>(device, batch.Integers(1), [batch.Count]);
    Tensor loss = Loss.CrossEntropy(model.Call(x), y);
    loss.Backward();
    optimizer.Step();
    optimizer.ZeroGrad();
    if (step % 100 == 0)
    {
        double accuracy = Evaluation.Accuracy(model, test, device);
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"step {step}: loss {loss.Item():F3}, accuracy {accuracy:F3}")
        );
    }
}

// A new row goes through the normalization of the others.
float[] row = [.. data.InputNormalization.Select(column => (float)column.Apply(column.Mean + column.Deviation))];
using var noGrad = NoGrad.Enter();
using var one = Tensor.From(device, row, [1, inputs]);
Console.WriteLine($"a large one: {data.Classes[Ops.ArgMax(model.Call(one)).ToArray<int>()[0]]}");

static string WriteFruits()
{
    var random = new Random(1);
    (string Name, double Length, double Width)[] fruits = [("apple", 75, 80), ("banana", 190, 35), ("plum", 50, 40)];
    string path = Path.Combine(Path.GetTempPath(), $"fruits-{Environment.ProcessId}.csv");
    var lines = Enumerable
        .Range(0, 600)
        .Select(i =>
        {
            var (name, length, width) = fruits[i % fruits.Length];
            length *= 0.8 + 0.4 * random.NextDouble();
            width *= 0.8 + 0.4 * random.NextDouble();
            double weight = length * width * width / 2000 * (0.9 + 0.2 * random.NextDouble());
            return string.Create(CultureInfo.InvariantCulture, $"{length:F1},{width:F1},{weight:F1},{name}");
        });
    File.WriteAllLines(path, lines.Prepend("length,width,weight,fruit"));
    return path;
}
