using System.Globalization;
using NativeAmp.Cli.Output;
using NativeAmp.Planning;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Train;

/// <summary>
/// The smallest memory that a run needs, computed from its sizes. A run that cannot fit is refused at once, not after
/// minutes of drawing initial weights or by the system's out-of-memory killer.
/// </summary>
internal static class MemoryNeed
{
    // Value, gradient, and in half precision its copy or what is kept of its master. An embedding takes more.
    private static int BytesOfValues(TrainSettings settings) =>
        settings.Masters switch
        {
            MasterFormat.Remainder => 6,
            MasterFormat.None => 4,
            _ => 8,
        };

    /// <summary>Refuses a run that cannot fit.</summary>
    /// <exception cref="DoesNotFitException">It needs more than the device has.</exception>
    public static void Check(TrainSettings settings, IDataset data, Device device)
    {
        (UInt128 parameters, UInt128 perSample) = Sizes(settings, data);
        double bytes = BytesOfValues(settings) + settings.OptimizerOptions.StateBytesPerElement;
        UInt128 need = (UInt128)((double)parameters * bytes) + perSample * (UInt128)settings.Batch;
        DeviceInfo info = device.Info;
        long has =
            info.Kind == DeviceKind.Cpu
                ? Math.Min(info.MemoryTotal, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)
                : info.MemoryTotal;
        if (need > (UInt128)has)
            throw new DoesNotFitException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{settings.Model.ToString().ToLowerInvariant()} of {parameters:N0} parameters in batches of "
                        + $"{settings.Batch} takes at least {GiB((double)need)} GiB, and this device has {GiB(has)}: "
                        + $"take {Smaller(settings.Model)}."
                )
            );
    }

    private static (UInt128 Parameters, UInt128 BytesPerSample) Sizes(TrainSettings settings, IDataset data)
    {
        if (settings.Model == ModelKind.Gpt)
        {
            (UInt128 context, UInt128 width, UInt128 blocks) = (
                (UInt128)settings.Gpt.Context,
                (UInt128)settings.Gpt.Width,
                (UInt128)settings.Gpt.Blocks
            );
            // A block keeps at least 20 half-precision values per position for its backward pass; the logits are 256
            // floats.
            return (
                (256 + context + 2) * width + blocks * (12 * width * width + 13 * width),
                context * (1024 + 20 * blocks * width)
            );
        }

        var images = (ImageDataset)data;
        (UInt128 height, UInt128 breadth, UInt128 classes) = (
            (UInt128)images.Height,
            (UInt128)images.Width,
            (UInt128)images.Classes
        );
        UInt128 pixels = height * breadth;
        return settings.Model == ModelKind.Cnn
            ? (18_816 + (64 * (height / 4) * (breadth / 4) + 1) * 128 + 129 * classes, pixels * (4 + 32 * 2))
            : ((pixels + 1) * 256 + 257 * classes, pixels * 4);
    }

    private static string Smaller(ModelKind model) =>
        model == ModelKind.Gpt
            ? "a smaller --width, --blocks, --context or --batch"
            : "a smaller --batch, or smaller images";

    private static string GiB(double bytes) => FormattableString.Invariant($"{bytes / BinaryUnits.GiB:0.0}");
}
