namespace NativeAmp;

/// <summary>A library of others that is found at run time.</summary>
public enum VendorLibrary
{
    /// <summary>The NVIDIA driver's, libcuda.</summary>
    Cuda = 1,

    /// <summary>cuBLAS, which each GPU looks for when it first multiplies matrices.</summary>
    Cublas = 2,

    /// <summary>NVML, the management library, for telemetry.</summary>
    Nvml = 3,

    /// <summary>oneDNN, version 2 or 3, which each CPU device looks for when it is opened.</summary>
    OneDnn = 4,
}
