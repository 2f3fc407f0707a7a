using NativeAmp.Interop;

namespace NativeAmp;

/// <content>Moving averages.</content>
public static unsafe partial class AmpKernels
{
    /// <summary>
    /// Moves averages of a table's tensors: average + (value - average) weight in float32, and the value itself where
    /// the weight is 1. Tensors without an average are left out.
    /// </summary>
    /// <param name="table">The table.</param>
    /// <param name="averageColumn">Its column of averages, float32.</param>
    /// <param name="valueColumn">Its column of values, float32, float16 or bfloat16.</param>
    /// <param name="weight">From 0 to 1: 1 - decay of an exponential average, 1 / n of a mean of n.</param>
    /// <param name="stream">The stream.</param>
    public static void AverageTable(
        TensorTable table,
        int averageColumn,
        int valueColumn,
        float weight,
        DeviceStream? stream = null
    ) =>
        Ensure.Success(
            NativeMethods.AverageTable(
                Native(table),
                averageColumn,
                valueColumn,
                weight,
                DeviceStream.NativeOf(table.Device, stream)
            )
        );
}
