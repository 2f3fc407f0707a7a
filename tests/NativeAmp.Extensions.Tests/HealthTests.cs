using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeAmp.Training;

namespace NativeAmp.Extensions.Tests;

/// <summary>The health check tells of the device and of training.</summary>
internal sealed class HealthTests
{
    [Test]
    public async Task A_device_that_answers_is_healthy()
    {
        using ServiceProvider services = Services();
        HealthReportEntry entry = await Check(services);
        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Healthy), entry.Description);
        Assert.That(entry.Data["memory_free"], Is.InstanceOf<long>().And.Positive);
        Assert.That(entry.Data["training"], Is.False);
    }

    [Test]
    public async Task A_closed_device_is_unhealthy()
    {
        using ServiceProvider services = Services();
        services.GetRequiredService<Device>().Dispose();
        HealthReportEntry entry = await Check(services);
        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(entry.Description, Does.StartWith("The device does not answer"));
    }

    [Test]
    public async Task A_device_that_is_not_there_is_unhealthy()
    {
        using ServiceProvider services = Services(device: "cuda:99");
        HealthReportEntry entry = await Check(services);
        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(entry.Exception, Is.InstanceOf<NativeAmpException>());
    }

    [Test]
    public async Task Little_memory_is_degraded()
    {
        using ServiceProvider services = Services(least: long.MaxValue);
        HealthReportEntry entry = await Check(services);
        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Degraded));
        Assert.That(entry.Description, Does.Contain("bytes of memory are free, less than 9223372036854775807"));
    }

    [Test]
    public async Task A_loss_that_is_not_finite_is_degraded()
    {
        using ServiceProvider services = Services();
        await Train(services, NonFiniteLoss.GoOn);
        HealthReportEntry entry = await Check(services);
        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Degraded));
        Assert.That(entry.Description, Is.EqualTo("The loss of step 4 is NaN."));
        Assert.That(entry.Data["step"], Is.EqualTo(4L));
    }

    [Test]
    public async Task A_failed_run_is_unhealthy()
    {
        using ServiceProvider services = Services();
        await Assert.ThrowsAsync<NonFiniteLossException>(() => Train(services, NonFiniteLoss.Stop));
        HealthReportEntry entry = await Check(services);
        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(entry.Description, Does.StartWith("Training failed: The loss is NaN at step 1"));
    }

    private static async Task Train(IServiceProvider services, NonFiniteLoss action)
    {
        using Trainer trainer = TinyTraining.Create(
            services.GetRequiredService<Device>(),
            new TrainerOptions { Epochs = 1, OnNonFiniteLoss = action },
            factor: float.NaN
        );
        await services.GetRequiredService<TrainingMonitor>().RunAsync(trainer);
    }

    private static async Task<HealthReportEntry> Check(IServiceProvider services) =>
        (await services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["nativeamp"];

    private static ServiceProvider Services(long least = 0, string device = "cpu")
    {
        IServiceCollection services = new ServiceCollection()
            .AddLogging()
            .AddNativeAmp(options =>
            {
                options.Device = device;
                options.MinimumFreeMemory = least;
            });
        services.AddHealthChecks().AddNativeAmp();
        return services.BuildServiceProvider();
    }
}
