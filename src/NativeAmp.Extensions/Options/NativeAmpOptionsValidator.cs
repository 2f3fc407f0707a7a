using Microsoft.Extensions.Options;

namespace NativeAmp.Extensions;

/// <summary>Checks options when the host starts, and says everything that is wrong with them at once.</summary>
internal sealed class NativeAmpOptionsValidator : IValidateOptions<NativeAmpOptions>
{
    private const int MostThreads = 1024;

    public ValidateOptionsResult Validate(string? name, NativeAmpOptions options)
    {
        var result = new ValidateOptionsResultBuilder();
        Try(nameof(options.Device), () => DeviceName.Parse(options.Device));
        if (options.Threads is < 0 or > MostThreads)
            result.AddError(
                $"{options.Threads} is no number of threads: 1 to {MostThreads}, or 0 for the default.",
                nameof(options.Threads)
            );
        if (options.MinimumFreeMemory < 0)
            result.AddError(
                $"{options.MinimumFreeMemory} bytes are less than none: 0 is no limit.",
                nameof(options.MinimumFreeMemory)
            );
        if (Try(nameof(options.Precision), () => options.ToPrecisionPolicy()))
            Try(nameof(options.LossScaling), () => options.ToGradScalerOptions().Validate());
        return result.Build();

        bool Try(string key, Action read)
        {
            try
            {
                read();
                return true;
            }
            catch (Exception e) when (e is FormatException or ArgumentException)
            {
                result.AddError(e.Message, key);
                return false;
            }
        }
    }
}
