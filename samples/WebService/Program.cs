// A web service that trains in the background and answers meanwhile, each request with the newest weights: dotnet run,
//   curl http://localhost:5000/predict -H 'Content-Type: application/json' -d '{"points": [[0.1, 0.2], [0.9, -0.9]]}'
//   curl http://localhost:5000/status
//   curl http://localhost:5000/health
// It learns whether points are inside a circle. --NativeAmp:Precision=float16, --NativeAmp:Device=cuda and
// --Training:Steps=1000 are options; environment variables and appsettings.json take them too.
using NativeAmp.Extensions;
using NativeAmp.Training;
using WebService;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddNativeAmp(builder.Configuration.GetSection("NativeAmp"));
builder.Services.AddServedModel(_ => new Sequential(new Linear(2, 64), new Gelu(), new Linear(64, 2)));
builder.Services.AddTraining(CircleTraining.CreateTrainer);
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

internal sealed record Request(float[][] Points);

internal sealed record Status(bool Training, long Step, float? Loss, long Updates);
