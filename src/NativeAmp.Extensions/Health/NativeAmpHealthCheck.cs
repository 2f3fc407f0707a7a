using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using NativeAmp.Training;

namespace NativeAmp.Extensions;

/// <summary>
/// Whether the device computes, has memory left, and training goes on: unhealthy without an answer of the device or
/// after a failed run, degraded with little memory or a loss that is not finite.
/// </summary>
internal sealed class NativeAmpHealthCheck(IServiceProvider services) : IHealthCheck
{
    private const float Probe = 1;

    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(context);
        return Task.FromResult(Check(context.Registration.FailureStatus));
    }

    private HealthCheckResult Check(HealthStatus failureStatus)
    {
        Device device;
        DeviceInfo info;
        try
        {
            device = services.GetRequiredService<Device>(); // here, since it may not open
            info = device.Info;
            using DeviceBuffer buffer = device.Allocate<float>([Probe]);
            Span<float> answer = stackalloc float[1];
            buffer.CopyTo(answer);
            if (answer[0] != Probe)
                return new HealthCheckResult(failureStatus, $"{info.Name} does not give back what it was given.");
        }
        catch (Exception e) when (e is NativeAmpException or ObjectDisposedException)
        {
            return new HealthCheckResult(failureStatus, $"The device does not answer: {e.Message}", e);
        }

        TrainingMonitor monitor = services.GetRequiredService<TrainingMonitor>();
        StepReport? step = monitor.LastStep;
        var data = new Dictionary<string, object>
        {
            ["device"] = info.Name,
            ["memory_free"] = info.MemoryFree,
            ["memory_used"] = device.MemoryStatistics.LiveTotalBytes,
            ["training"] = monitor.IsRunning,
        };
        if (step is { } last)
        {
            data["step"] = last.Step;
            data["loss"] = last.Loss;
        }

        if (monitor.Failure is { } failure)
            return new HealthCheckResult(failureStatus, $"Training failed: {failure.Message}", failure, data);
        if (step is { } bad && !float.IsFinite(bad.Loss))
            return HealthCheckResult.Degraded($"The loss of step {bad.Step} is {bad.Loss}.", data: data);
        long least = services.GetRequiredService<IOptions<NativeAmpOptions>>().Value.MinimumFreeMemory;
        return info.MemoryFree < least
            ? HealthCheckResult.Degraded($"{info.MemoryFree} bytes of memory are free, less than {least}.", data: data)
            : HealthCheckResult.Healthy($"{info.Name} answers.", data);
    }
}
