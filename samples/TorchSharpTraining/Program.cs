using System.Globalization;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharpTraining;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

// Two spirals are told apart: by TorchSharp alone, then in mixed precision, then with all parameters in bfloat16.
const int Steps = 300;
Show("TorchSharp, float32", Before.Train);
Show("NativeAmp, float16 by autocast", After.Train);
Show("TorchSharp, bfloat16 parameters", (model, batch, steps) => HalfModel.Train(model, batch, steps, fused: false));
Show("NativeAmp, bfloat16 parameters", (model, batch, steps) => HalfModel.Train(model, batch, steps, fused: true));

static void Show(string name, Func<Sequential, Func<(Tensor x, Tensor y)>, int, double> train)
{
    torch.random.manual_seed(1);
    using Sequential model = Sequential(Linear(2, 64), ReLU(), Linear(64, 64), ReLU(), Linear(64, 2));
    Console.WriteLine(
        string.Create(CultureInfo.InvariantCulture, $"{name, -32} loss {train(model, Spirals, Steps):F4}")
    );
}

static (Tensor x, Tensor y) Spirals()
{
    Tensor y = torch.arange(128) % 2;
    Tensor radius = torch.rand(128);
    Tensor angle = radius * 6 + y * Math.PI;
    return (torch.stack([radius * angle.cos(), radius * angle.sin()], 1), y);
}
