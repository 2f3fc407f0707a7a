// Goes on with a model that others trained: dotnet run [FILE.safetensors]. The names are others' and the file lacks the
// last layer; the layers that it has stay as they are. Without a file the program trains and writes such a one first.
using System.Globalization;
using NativeAmp;
using NativeAmp.Training;

using var device = Device.Best();
string file = args.Length > 0 ? args[0] : Path.Combine(Path.GetTempPath(), $"base-{Environment.ProcessId}.safetensors");
if (args.Length == 0)
{
    // Which quarter of the plane is a point in? In bfloat16 and with the names of another library.
    using var pretrained = Network(classes: 4);
    Console.WriteLine(
        $"base: loss {Train(pretrained, pretrained.Parameters(), (x, y) => (x > 0 ? 1 : 0) + (y > 0 ? 2 : 0), 400)}"
    );
    pretrained.Save(file, DType.BFloat16, name => "encoder.layer." + name);
}

// Another task, for which the first two layers are of use: are both coordinates of one sign?
using var model = Network(classes: 2);
var loaded = model.Load(
    file,
    // To the model's names; those of the old last layer become names that the model does not have.
    name =>
        name.Replace("encoder.layer.4", "old", StringComparison.Ordinal)
            .Replace("encoder.layer.", "", StringComparison.Ordinal),
    strict: false
);
Console.WriteLine($"new: {string.Join(", ", loaded.Missing)}; left out: {string.Join(", ", loaded.Unexpected)}");

Parameter[] last = [.. model.Parameters().Where(parameter => loaded.Missing.Contains(parameter.Name))];
foreach (var parameter in model.Parameters().Except(last))
    parameter.RequiresGrad = false;
Console.WriteLine($"fine-tuned: loss {Train(model, last, (x, y) => x > 0 == y > 0 ? 1 : 0, 200)}");
model.Save("fine-tuned.safetensors");

Sequential Network(int classes) =>
    new Sequential(new Linear(2, 32), new Relu(), new Linear(32, 32), new Relu(), new Linear(32, classes)).To(device);

string Train(Module network, IEnumerable<Parameter> parameters, Func<float, float, int> classOf, int steps)
{
    using var optimizer = new FusedAdam(parameters, new AdamOptions { LearningRate = 1e-2f });
    var random = new Random(1);
    float last = float.NaN;
    for (int step = 0; step < steps; step++)
    {
        float[] points = [.. Enumerable.Range(0, 256).Select(_ => random.NextSingle() * 2 - 1)];
        using var scope = TensorScope.Enter();
        using var x = Tensor.From(device, points, [128, 2]);
        using var y = Tensor.From(
            device,
            points.Chunk(2).Select(point => classOf(point[0], point[1])).ToArray(),
            [128]
        );
        var loss = Loss.CrossEntropy(network.Forward(x), y);
        loss.Backward();
        optimizer.Step();
        optimizer.ZeroGrad();
        last = loss.Item();
    }
    return last.ToString("F3", CultureInfo.InvariantCulture);
}
