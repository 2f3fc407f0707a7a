namespace ManagedCuda.BasicTypes;

/// <summary>Results of the driver, by their numbers in cuda.h; not all of them.</summary>
public enum CUResult
{
    Success = 0,
    ErrorInvalidValue = 1,
    ErrorOutOfMemory = 2,
    ErrorNotInitialized = 3,
    ErrorNoDevice = 100,
    ErrorInvalidDevice = 101,
    ErrorInvalidContext = 201,
}

[Flags]
public enum CUStreamFlags : uint
{
    None = 0,
    NonBlocking = 1,
}
