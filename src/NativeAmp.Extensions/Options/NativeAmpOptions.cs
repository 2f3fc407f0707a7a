namespace NativeAmp.Extensions;

/// <summary>
/// Where and in which types to compute, as a section of the configuration says. Every default is valid.
/// </summary>
/// <example>
/// <code>
/// "NativeAmp": {
///   "Device": "cuda:0",
///   "Precision": "float16",
///   "LossScaling": { "InitialScale": 65536, "GrowthInterval": 2000 }
/// }
/// </code>
/// </example>
public sealed class NativeAmpOptions
{
    /// <summary>
    /// The device: <c>auto</c> for the first GPU that works, else the CPU; <c>cpu</c>; <c>cuda</c>; <c>cuda:1</c>.
    /// </summary>
    public string Device { get; set; } = "auto";

    /// <summary>Threads of the CPU, 1 to 1024; 0 for as many as <see cref="NativeAmp.Device.Threads"/> says.</summary>
    public int Threads { get; set; }

    /// <summary>Whether products of float32 matrices on a GPU may round to TF32.</summary>
    public bool AllowTf32 { get; set; }

    /// <summary>Whether a GPU's products are computed in the way that was the fastest at the first call of each
    /// kind; see <see cref="NativeAmp.Device.MeasuresProducts"/>.</summary>
    public bool MeasureProducts { get; set; }

    /// <summary>
    /// The types of training and serving: a policy for <see cref="PrecisionPolicy.Parse"/>, such as <c>float16</c>,
    /// <c>O2</c> or <c>params=float32,compute=float16,loss=float32</c>.
    /// </summary>
    public string Precision { get; set; } = "float32";

    /// <summary>How losses are scaled.</summary>
    public LossScalingOptions LossScaling { get; set; } = new();

    /// <summary>Bytes of free device memory below which the health check is degraded; 0 for no limit.</summary>
    public long MinimumFreeMemory { get; set; }

    /// <summary>The precision policy.</summary>
    /// <exception cref="FormatException"><see cref="Precision"/> is none.</exception>
    public PrecisionPolicy ToPrecisionPolicy() =>
        // Configuration may set null, as "Precision": null does.
        PrecisionPolicy.Parse(Precision ?? "");

    /// <summary>The options of a gradient scaler; disabled where the precision needs no scaling and nothing asks for
    /// it.</summary>
    /// <exception cref="ArgumentException">There is no such preset.</exception>
    /// <exception cref="FormatException"><see cref="Precision"/> is none.</exception>
    public GradScalerOptions ToGradScalerOptions() =>
        (LossScaling ?? new LossScalingOptions()).ToGradScalerOptions(ToPrecisionPolicy());
}
