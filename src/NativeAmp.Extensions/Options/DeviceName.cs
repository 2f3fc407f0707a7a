using System.Globalization;

namespace NativeAmp.Extensions;

/// <summary>A device as <see cref="NativeAmpOptions.Device"/> names it.</summary>
/// <param name="Kind">Its kind; null for the best one.</param>
/// <param name="Ordinal">Its number among its kind.</param>
internal readonly record struct DeviceName(DeviceKind? Kind, int Ordinal)
{
    /// <summary>Reads a name.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static DeviceName Parse(string? text)
    {
        string[] parts = (text ?? "").Trim().ToLowerInvariant().Split(':');
        return parts switch
        {
            ["auto"] => new DeviceName(null, 0),
            ["cpu"] => new DeviceName(DeviceKind.Cpu, 0),
            ["cuda"] => new DeviceName(DeviceKind.Cuda, 0),
            ["cuda", var number]
                when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal) =>
                new DeviceName(DeviceKind.Cuda, ordinal),
            _ => throw new FormatException(
                $"'{text}' is no device: write auto, cpu, cuda, or cuda:1 for the second GPU."
            ),
        };
    }

    /// <summary>Opens the device.</summary>
    /// <param name="options">Its other options.</param>
    /// <param name="reason">Why the best device is not a GPU; empty otherwise.</param>
    /// <exception cref="NativeAmpException">It cannot be opened.</exception>
    public Device Open(NativeAmpOptions options, out string reason)
    {
        reason = "";
        Device device = Kind switch
        {
            DeviceKind.Cpu => Device.Cpu(options.Threads),
            DeviceKind.Cuda => Device.Cuda(Ordinal),
            _ => Device.Best(out reason),
        };
        try
        {
            if (Kind is null && device.IsHostMemory)
                device.Threads = options.Threads;
            if (options.AllowTf32)
                device.AllowTf32 = true;
            if (options.MeasureProducts)
                device.MeasuresProducts = true;
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }
}
