namespace NativeAmp;

/// <summary>A library of NVIDIA's that is found at run time.</summary>
public enum NvidiaLibrary
{
    /// <summary>The driver's, libcuda.</summary>
    Cuda = 1,

    /// <summary>cuBLAS, which each GPU looks for when it first multiplies matrices.</summary>
    Cublas = 2,

    /// <summary>NVML, the management library, for telemetry.</summary>
    Nvml = 3,
}
