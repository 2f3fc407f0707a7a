using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NativeAmp.Training;

namespace NativeAmp.Extensions.Tests;

/// <summary>A host trains in the background, tells of it, and stops it within a step.</summary>
internal sealed class TrainingServiceTests
{
    [Test]
    public async Task A_run_is_logged_and_has_a_result()
    {
        (IHost host, CollectedLog log) = Build(device =>
            TinyTraining.Create(device, new TrainerOptions { Epochs = 2 })
        );
        using (host)
        {
            TrainingMonitor monitor = await RunToEnd(host);
            Assert.That((monitor.Result!.Steps, monitor.Result.Interrupted), Is.EqualTo((8L, false)));
            Assert.That((monitor.LastStep!.Value.Step, monitor.LastEpoch!.Epoch), Is.EqualTo((8L, 2L)));
            Assert.That(monitor.Failure, Is.Null);
        }

        string[] information = [.. log.Of(LogLevel.Information)];
        Assert.That(information, Has.Some.StartsWith("Computing on "));
        Assert.That(information, Has.Some.EqualTo("Training has begun."));
        Assert.That(information, Has.Some.StartsWith("Epoch 2, step 8: mean loss "));
        Assert.That(information, Has.Some.StartsWith("Training is done after 8 steps, 0 of them skipped"));
        Assert.That(log.Of(LogLevel.Debug), Has.Some.StartsWith("Step 8 of 8: loss "));
    }

    [Test]
    public async Task Skipped_steps_and_scales_are_logged_with_their_reasons()
    {
        // A scale of 2^127 overflows at once, and is halved until gradients are finite.
        (IHost host, CollectedLog log) = Build(device =>
            TinyTraining.Create(
                device,
                new TrainerOptions
                {
                    Steps = 3,
                    Scaler = new GradScalerOptions
                    {
                        InitialScale = float.Exp2(126),
                        MaximumScale = float.Exp2(127),
                        BackoffFactor = 0.5,
                    },
                },
                factor: 100
            )
        );
        using (host)
        {
            TrainingMonitor monitor = await RunToEnd(host);
            Assert.That(monitor.Result!.SkippedSteps, Is.InRange(2, 3));
        }

        Assert.That(
            log.Of(LogLevel.Information),
            Has.Some.Contains("Step 1 was skipped: ")
                .And.Some.Contains("infinite or not a number")
                .And.Some.Contains(" before step 2.")
        );
    }

    [Test]
    public async Task A_host_that_stops_ends_a_run_that_waits_for_samples()
    {
        using var waits = new SemaphoreSlim(0);
        (IHost host, CollectedLog log) = Build(device =>
            TinyTraining.CreateWaiting(device, new TrainerOptions { Steps = 1000 }, 12, () => waits.Release())
        );
        using (host)
        {
            await host.StartAsync();
            await waits.WaitAsync();
            TrainingMonitor monitor = host.Services.GetRequiredService<TrainingMonitor>();
            while (monitor.LastStep?.Step != 3)
                await Task.Yield();
            Assert.That(monitor.IsRunning, Is.True);
            await host.StopAsync();
            Assert.That((monitor.Result!.Steps, monitor.Result.Interrupted), Is.EqualTo((3L, true)));
        }

        Assert.That(log.Of(LogLevel.Information), Has.Some.EqualTo("Training was cancelled after 3 steps."));
    }

    [Test]
    public async Task A_failed_run_is_logged_and_ends_the_host()
    {
        (IHost host, CollectedLog log) = Build(device =>
            TinyTraining.Create(device, new TrainerOptions { Epochs = 1 }, factor: float.NaN)
        );
        using (host)
        {
            var ends = new TaskCompletionSource();
            host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(ends.SetResult);
            await host.StartAsync();
            await ends.Task;
            Assert.That(
                host.Services.GetRequiredService<TrainingMonitor>().Failure,
                Is.TypeOf<NonFiniteLossException>()
            );
        }

        Assert.That(log.Of(LogLevel.Error), Has.Some.EqualTo("Training failed."));
        Assert.That(log.Of(LogLevel.Warning), Has.Some.EqualTo("The loss of step 1 is NaN."));
    }

    [Test]
    public async Task Instruments_and_activities_are_those_of_the_run()
    {
        var values = new ConcurrentDictionary<string, ConcurrentBag<double>>();
        var activities = new ConcurrentBag<Activity>();
        (IHost host, _) = Build(device => TinyTraining.Create(device, new TrainerOptions { Epochs = 2 }));
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == TrainingMonitor.SourceName)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, _, _) => Keep(instrument, value));
        meters.SetMeasurementEventCallback<long>((instrument, value, _, _) => Keep(instrument, value));
        meters.Start();
        using var sources = new ActivityListener
        {
            ShouldListenTo = source => source.Name == TrainingMonitor.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activities.Add,
        };
        ActivitySource.AddActivityListener(sources);
        using (host)
        {
            await RunToEnd(host);
            meters.RecordObservableInstruments();
        }

        Assert.That(values["nativeamp.training.step.duration"], Has.Count.EqualTo(8).And.All.Positive);
        Assert.That(values["nativeamp.training.steps"].Sum(), Is.EqualTo(8));
        Assert.That(values["nativeamp.training.samples"].Sum(), Is.EqualTo(32));
        Assert.That(values["nativeamp.training.loss"], Has.Count.EqualTo(8));
        Assert.That(values["nativeamp.training.loss_scale"], Is.All.EqualTo(1));
        Assert.That(values["nativeamp.training.learning_rate"], Is.All.EqualTo(0.1));
        Assert.That(values["nativeamp.device.memory.usage"].Count, Is.EqualTo(DeviceMemoryStatistics.Kinds.Length));
        Activity activity = activities.Single();
        Assert.That(activity.OperationName, Is.EqualTo("nativeamp.train"));
        Assert.That(activity.GetTagItem("nativeamp.training.steps"), Is.EqualTo(8L));
        Assert.That(activity.Events.Count(e => e.Name == "nativeamp.epoch"), Is.EqualTo(2));

        void Keep(Instrument instrument, double value) => values.GetOrAdd(instrument.Name, _ => []).Add(value);
    }

    [Test]
    public async Task Progress_gets_every_step_in_order()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddNativeAmp(options => options.Device = "cpu")
            .BuildServiceProvider();
        List<long> steps = [];
        using Trainer trainer = TinyTraining.Create(
            services.GetRequiredService<Device>(),
            new TrainerOptions { Epochs = 2 }
        );
        await services.GetRequiredService<TrainingMonitor>().RunAsync(trainer, new Progress(steps));
        Assert.That(steps, Is.EqualTo(Enumerable.Range(1, 8)));
    }

    private static (IHost Host, CollectedLog Log) Build(Func<Device, Trainer> create)
    {
        var log = new CollectedLog();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log);
        builder.Services.AddNativeAmp(options =>
        {
            options.Device = "cpu";
            options.Threads = 1;
        });
        builder.Services.AddTraining(services => create(services.GetRequiredService<Device>()));
        return (builder.Build(), log);
    }

    private static async Task<TrainingMonitor> RunToEnd(IHost host)
    {
        await host.StartAsync();
        await host.Services.GetServices<IHostedService>().OfType<BackgroundService>().Single().ExecuteTask!;
        await host.StopAsync();
        return host.Services.GetRequiredService<TrainingMonitor>();
    }

    private sealed class Progress(List<long> steps) : IProgress<StepReport>
    {
        public void Report(StepReport value) => steps.Add(value.Step);
    }
}
