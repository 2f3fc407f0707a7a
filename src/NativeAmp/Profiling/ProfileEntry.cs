namespace NativeAmp;

/// <summary>The time spent in one function of the native library.</summary>
/// <param name="Function">Its name, such as <c>namp_gemm</c>.</param>
/// <param name="Calls">How often it was called, at least once.</param>
/// <param name="Time">Total time of its calls, over all threads.</param>
public readonly record struct ProfileEntry(string Function, long Calls, TimeSpan Time);
