using NativeAmp.Training;

namespace NativeAmp.Cli.Verify;

/// <summary>
/// training.json and amp_training.json: a two-layer network trained from given weights, in float32 and with mixed
/// precision in float16.
/// </summary>
internal static class TrainingCheck
{
    /// <summary>training.json: linear, GELU, linear; losses and final parameters.</summary>
    public static IReadOnlyList<VerifyRow> Run(string path, TrainingFile file, Device device)
    {
        var form = new GoldenForm(path);
        Check(form, file);
        form.SameLength("final parameters", 4, file.Final);
        string name = Path.GetFileName(path);
        Trajectory trajectory = Train(
            form,
            file,
            new Gelu(),
            PrecisionPolicy.Float32,
            GradScalerOptions.Disabled,
            device
        );
        var parameters = new Comparison(name, "final parameters", Tolerance.FinalParameters);
        for (int i = 0; i < trajectory.Final.Count; i++)
            parameters.Add(
                $"parameter {i}",
                form.Tensor(file.Final![i], "final parameter", file.Initial[i].Shape).Data,
                trajectory.Final[i]
            );
        return
        [
            new Comparison(name, $"losses of {file.Losses.Length} steps", Tolerance.Training)
                .Add("loss", file.Losses, trajectory.Losses)
                .Row(),
            parameters.Row(),
        ];
    }

    /// <summary>amp_training.json: linear, ReLU, linear in float16; overflows, scales and losses.</summary>
    public static IReadOnlyList<VerifyRow> RunAmp(string path, TrainingFile file, Device device)
    {
        var form = new GoldenForm(path);
        Check(form, file);
        GoldenScaler golden = form.Required(file.Scaler, "scaler");
        form.SameLength("scales and foundInf", file.Losses.Length, file.Scales, file.FoundInf);
        form.Require(golden.GrowthInterval > 0, $"growthInterval {golden.GrowthInterval}", "1 or more");
        form.Require(float.IsFinite(golden.Init) && golden.Init > 0, $"scaler init {golden.Init}", "a number above 0");
        form.Require(
            golden.GrowthFactor is >= 1 and < double.PositiveInfinity && golden.BackoffFactor is > 0 and <= 1,
            $"factors {golden.GrowthFactor} and {golden.BackoffFactor}",
            "growth of 1 or more, backoff above 0 and at most 1"
        );
        GradScalerOptions scaler = GradScalerOptions.PyTorch with
        {
            InitialScale = golden.Init,
            GrowthFactor = golden.GrowthFactor,
            BackoffFactor = golden.BackoffFactor,
            GrowthInterval = golden.GrowthInterval,
        };
        string name = Path.GetFileName(path);
        Trajectory trajectory = Train(form, file, new Relu(), PrecisionPolicy.Float16, scaler, device);
        var found = new Comparison(name, "foundInf", Tolerance.Exact);
        for (int i = 0; i < trajectory.FoundInf.Count; i++)
            found.Same($"step {i}", file.FoundInf![i], trajectory.FoundInf[i] ? 1 : 0);
        return
        [
            found.Row(),
            new Comparison(name, "scales", Tolerance.Exact).Add("scale", file.Scales, trajectory.Scales).Row(),
            new Comparison(name, $"losses of {file.Losses.Length} steps", Tolerance.AmpLosses)
                .Add("loss", file.Losses, trajectory.Losses)
                .Row(),
        ];
    }

    private static void Check(GoldenForm form, TrainingFile file)
    {
        form.Steps(form.Required(file.Losses, "losses").Length);
        GoldenOptimizer optimizer = form.Required(file.Optimizer, "optimizer");
        form.Require(optimizer.Mode is "adam" or "adamw", $"mode '{optimizer.Mode}'", "adam or adamw");
        form.SameLength("initial parameters", 4, file.Initial);
        GoldenTensor x = form.Tensor(file.X, "x");
        form.Require(x.Shape.Length == 2, $"x of {x.Shape.Length} dimensions", "2");
        long hidden = form.Tensor(file.Initial[0], "initial parameter 0").Shape.FirstOrDefault();
        long classes = form.Tensor(file.Initial[2], "initial parameter 2").Shape.FirstOrDefault();
        form.Require(
            x.Shape[0] > 0 && x.Shape[1] > 0 && hidden > 0 && classes > 0,
            "an empty dimension",
            "1 or more everywhere"
        );
        form.Tensor(file.Initial[0], "initial parameter 0", hidden, x.Shape[1]);
        form.Tensor(file.Initial[1], "initial parameter 1", hidden);
        form.Tensor(file.Initial[2], "initial parameter 2", classes, hidden);
        form.Tensor(file.Initial[3], "initial parameter 3", classes);
        form.SameLength("labels y", (int)x.Shape[0], file.Y);
        form.Require(
            Array.TrueForAll(file.Y, label => label >= 0 && label < classes),
            "a label outside",
            $"0 to {classes - 1}"
        );
    }

    private static Trajectory Train(
        GoldenForm form,
        TrainingFile file,
        Module activation,
        PrecisionPolicy precision,
        GradScalerOptions scale,
        Device device
    )
    {
        GoldenTensor[] initial = file.Initial;
        var first = new Linear((int)initial[0].Shape[1], (int)initial[0].Shape[0]);
        var second = new Linear((int)initial[2].Shape[1], (int)initial[2].Shape[0]);
        using Sequential model = new Sequential(first, activation, second).To(device);
        Parameter[] parameters = [first.Weight, first.Bias!, second.Weight, second.Bias!];
        for (int i = 0; i < parameters.Length; i++)
            parameters[i].CopyFrom<float>(initial[i].Data);

        using FusedAdam optimizer = CreateOptimizer(form, file.Optimizer, model);
        using var scaler = new GradScaler(device, scale);
        using Tensor x = Tensor.From<float>(device, file.X.Data, new Shape(file.X.Shape));
        using Tensor y = Tensor.From<int>(device, file.Y, new Shape(file.Y.Length));
        var trajectory = new Trajectory(file.Losses.Length);
        for (int step = 0; step < file.Losses.Length; step++)
        {
            Tensor loss;
            using (Autocast.Enter(precision))
            {
                loss = Loss.CrossEntropy(model.Forward(x), y);
                scaler.Scale(loss).Backward();
            }

            StepResult result = scaler.Step(optimizer);
            trajectory.Losses[step] = loss.Item();
            trajectory.Scales[step] = result.Read().Scale;
            trajectory.FoundInf.Add(result.Read().Skipped);
            scaler.Update();
            optimizer.ZeroGrad();
        }

        trajectory.Final.AddRange(parameters.Select(parameter => parameter.ToFloats()));
        return trajectory;
    }

    private static FusedAdam CreateOptimizer(GoldenForm form, GoldenOptimizer golden, Module model)
    {
        try
        {
            return new FusedAdam(
                model.Parameters(),
                new AdamOptions
                {
                    LearningRate = golden.Lr,
                    Beta1 = golden.Beta1,
                    Beta2 = golden.Beta2,
                    Epsilon = golden.Eps,
                    WeightDecay = golden.WeightDecay,
                    Decoupled = golden.Mode == "adamw",
                }
            );
        }
        catch (ArgumentException e)
        {
            throw form.Bad($"an optimizer that cannot be ({e.Message})", "possible hyperparameters");
        }
    }

    private sealed class Trajectory(int steps)
    {
        public float[] Losses { get; } = new float[steps];

        public float[] Scales { get; } = new float[steps];

        public List<bool> FoundInf { get; } = [];

        public List<float[]> Final { get; } = [];
    }
}
