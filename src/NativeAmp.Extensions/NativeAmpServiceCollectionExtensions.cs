using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NativeAmp;
using NativeAmp.Extensions;
using NativeAmp.Training;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds NativeAmp to the services of a program.</summary>
public static class NativeAmpServiceCollectionExtensions
{
    /// <summary>
    /// Adds a <see cref="Device"/>, a <see cref="PrecisionPolicy"/>, <see cref="GradScalerOptions"/> and a
    /// <see cref="TrainingMonitor"/>, one each for the whole program. Options are checked when a host starts; the
    /// device is opened when it is first asked for, and closed with the services.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">The section of <see cref="NativeAmpOptions"/>.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeAmp(this IServiceCollection services, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        services.AddOptions<NativeAmpOptions>().Bind(configuration);
        return AddServices(services);
    }

    /// <summary>The same, with options from code.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeAmp(this IServiceCollection services, Action<NativeAmpOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.AddOptions<NativeAmpOptions>().Configure(configure);
        return AddServices(services);
    }

    /// <summary>
    /// Adds a kind of model. Each <typeparamref name="TModel"/> that is asked for is a new one with weights of its own,
    /// for example to be trained; <see cref="ServedModel{TModel}"/> is one for the whole program, which answers many
    /// requests at once.
    /// </summary>
    /// <typeparam name="TModel">The model's type.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="create">Makes a model with its first weights.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddServedModel<TModel>(
        this IServiceCollection services,
        Func<IServiceProvider, TModel> create
    )
        where TModel : Module
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(create);
        services.TryAddTransient(create);
        services.TryAddSingleton(provider => new ServedModel<TModel>(
            create(provider),
            provider.GetRequiredService<Device>(),
            provider.GetRequiredService<PrecisionPolicy>()
        ));
        return services;
    }

    /// <summary>
    /// Trains in the background when the host has started, once, and ends the run within a step when the host stops.
    /// With a folder of checkpoints the run is saved then, and <see cref="TrainerOptions.Resume"/> goes on with it. A
    /// run that fails ends the host, unless <c>HostOptions.BackgroundServiceExceptionBehavior</c> says otherwise.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="create">Makes the trainer, beside the host's start. It is disposed after the run.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddTraining(
        this IServiceCollection services,
        Func<IServiceProvider, Trainer> create
    )
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(create);
        services.AddSingleton<IHostedService>(provider => new TrainingService(
            provider,
            provider.GetRequiredService<TrainingMonitor>(),
            create
        ));
        return services;
    }

    private static IServiceCollection AddServices(IServiceCollection services)
    {
        services.AddOptions<NativeAmpOptions>().ValidateOnStart();
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<NativeAmpOptions>, NativeAmpOptionsValidator>()
        );
        services.TryAddSingleton(OpenDevice);
        services.TryAddSingleton(provider => Options(provider).ToPrecisionPolicy());
        services.TryAddSingleton(provider => Options(provider).ToGradScalerOptions());
        services.TryAddSingleton(provider => new TrainingMonitor(
            provider.GetRequiredService<Device>(),
            provider.GetService<ILogger<TrainingMonitor>>() ?? NullLogger<TrainingMonitor>.Instance,
            provider.GetService<IMeterFactory>()
        ));
        return services;
    }

    private static Device OpenDevice(IServiceProvider provider)
    {
        NativeAmpOptions options = Options(provider);
        Device device = DeviceName.Parse(options.Device).Open(options, out string reason);
        if (provider.GetService<ILogger<Device>>() is { } logger)
        {
            DeviceInfo info = device.Info;
            TrainingLog.DeviceOpened(logger, info.Name, info.Libraries, reason);
        }

        return device;
    }

    private static NativeAmpOptions Options(IServiceProvider provider) =>
        provider.GetRequiredService<IOptions<NativeAmpOptions>>().Value;
}
