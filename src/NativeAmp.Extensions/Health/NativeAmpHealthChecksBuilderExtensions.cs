using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeAmp.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds NativeAmp to health checks.</summary>
public static class NativeAmpHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds a check of the device and of training: unhealthy without an answer of the device or after a failed run,
    /// degraded with less than <see cref="NativeAmpOptions.MinimumFreeMemory"/> or a loss that is not finite.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="failureStatus">The status instead of unhealthy; null for unhealthy.</param>
    /// <param name="tags">Tags to select checks by; null for none.</param>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddNativeAmp(
        this IHealthChecksBuilder builder,
        string name = "nativeamp",
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null
    )
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(
            new HealthCheckRegistration(name, services => new NativeAmpHealthCheck(services), failureStatus, tags)
        );
    }
}
