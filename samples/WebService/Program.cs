// A web service that trains in the background and answers meanwhile, each request with the newest weights: dotnet run,
//   curl http://localhost:5000/predict -H 'Content-Type: application/json' -d '{"points": [[0.1, 0.2], [0.9, -0.9]]}'
//   curl http://localhost:5000/status
//   curl http://localhost:5000/health
// It learns whether points are inside a circle. --NativeAmp:Precision=float16, --NativeAmp:Device=cuda and
// --Training:Steps=1000 are options; environment variables and appsettings.json take them too.
using System.Runtime.CompilerServices;
using NativeAmp;
using NativeAmp.Extensions;
using NativeAmp.Training;
using NativeAmp.Training.Data;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddNativeAmp(builder.Configuration.GetSection("NativeAmp"));
builder.Services.AddServedModel(_ => new Sequential(new Linear(2, 64), new Gelu(), new Linear(64, 2)));
builder.Services.AddTraining(CreateTrainer);
builder.Services.AddHealthChecks().AddNativeAmp();
var app = builder.Build();

app.MapPost("/predict", Predict);
app.MapGet("/status", GetStatus);
app.MapHealthChecks("/health");
app.Run();

// Requests share one model: any number of threads may ask it at once, also while weights are taken over.
static IResult Predict(Request request, ServedModel<Sequential> served)
{
    float[][] points = request.Points;
    if (points is not { Length: > 0 } || points.Any(point => point is not { Length: 2 }))
        return Results.BadRequest("Send points as [[x, y], …].");
    int[] classes = served.Predict(model =>
    {
        using var inputs = Tensor.From(served.Device, [.. points.SelectMany(p => p)], [points.Length, 2]);
        return Ops.ArgMax(model.Call(inputs)).ToArray<int>();
    });
    return Results.Ok(classes);
}

static Status GetStatus(TrainingMonitor training, ServedModel<Sequential> served) =>
    new(training.IsRunning, training.LastStep?.Step ?? 0, training.LastStep?.Loss, served.Updates);

static Trainer CreateTrainer(IServiceProvider services)
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
static async IAsyncEnumerable<(float X, float Y)> Points([EnumeratorCancellation] CancellationToken stop = default)
{
    var random = new Random(1);
    while (!stop.IsCancellationRequested)
    {
        await Task.Yield();
        yield return (random.NextSingle() * 2 - 1, random.NextSingle() * 2 - 1);
    }
}

internal sealed record Request(float[][] Points);

internal sealed record Status(bool Training, long Step, float? Loss, long Updates);
