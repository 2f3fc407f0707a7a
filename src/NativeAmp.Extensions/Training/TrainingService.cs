using Microsoft.Extensions.Hosting;
using NativeAmp.Training;

namespace NativeAmp.Extensions;

/// <summary>Trains in the background of a host. When the host stops, the run ends within a step.</summary>
internal sealed class TrainingService(
    IServiceProvider services,
    TrainingMonitor monitor,
    Func<IServiceProvider, Trainer> create
) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Reading data and making a model take long: the host starts meanwhile.
        await Task.Yield();
        using Trainer trainer = create(services);
        await monitor.RunAsync(trainer, progress: null, stoppingToken).ConfigureAwait(false);
    }
}
