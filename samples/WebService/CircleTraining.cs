using System.Runtime.CompilerServices;
using NativeAmp;
using NativeAmp.Extensions;
using NativeAmp.Training;
using NativeAmp.Training.Data;

namespace WebService;

/// <summary>Training on points from a stream: whether each is inside a circle.</summary>
internal static class CircleTraining
{
    public static Trainer CreateTrainer(IServiceProvider services)
    {
        var model = services.GetRequiredService<Sequential>();
        var served = services.GetRequiredService<ServedModel<Sequential>>();
        var trainer = new Trainer(
            model,
            SampleStream.Create(
                [
                    new()
                    {
                        Name = "point",
                        DType = DType.Float32,
                        Shape = [2],
                    },
                    new() { Name = "class", DType = DType.Int32 },
                ],
                _ => Points(),
                (point, sample) =>
                {
                    (sample.Floats(0)[0], sample.Floats(0)[1]) = point;
                    sample.Integers(1)[0] = point.X * point.X + point.Y * point.Y < 0.6f ? 1 : 0;
                }
            ),
            test: null,
            services.GetRequiredService<Device>(),
            new TrainerOptions
            {
                Steps = services.GetRequiredService<IConfiguration>().GetValue("Training:Steps", 500L),
                Batch = 256,
                Optimizer = new AdamOptions { LearningRate = 1e-2 },
                Precision = services.GetRequiredService<PrecisionPolicy>(),
                Scaler = services.GetRequiredService<GradScalerOptions>(),
            }
        );
        trainer.StepCompleted += (_, step) =>
        {
            if (step.Step % 50 == 0 || step.Step == step.TotalSteps)
                served.Update(model);
        };
        return trainer;
    }

    // In a service of your own, rows of a database or messages of a queue.
    private static async IAsyncEnumerable<(float X, float Y)> Points(
        [EnumeratorCancellation] CancellationToken stop = default
    )
    {
        var random = new Random(1);
        while (!stop.IsCancellationRequested)
        {
            await Task.Yield();
            yield return (random.NextSingle() * 2 - 1, random.NextSingle() * 2 - 1);
        }
    }
}
