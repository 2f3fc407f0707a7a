namespace NativeAmp;

/// <summary>
/// A call into NativeAmp failed, and changed nothing. The derived type gives the kind of failure. The message says what
/// was wrong, and what to do.
/// </summary>
public abstract class NativeAmpException : Exception
{
    private protected NativeAmpException(string message)
        : base(message) { }
}

/// <summary>
/// An argument was wrong: a null pointer, a negative count, an unknown dtype, a misaligned pointer, sizes that do not
/// fit each other.
/// </summary>
public sealed class NativeAmpArgumentException : NativeAmpException
{
    internal NativeAmpArgumentException(string message)
        : base(message) { }
}

/// <summary>The device cannot give that much memory.</summary>
public sealed class DeviceOutOfMemoryException : NativeAmpException
{
    internal DeviceOutOfMemoryException(string message)
        : base(message) { }
}

/// <summary>The request is valid, but the device's backend does not support it.</summary>
public sealed class NativeAmpUnsupportedException : NativeAmpException
{
    internal NativeAmpUnsupportedException(string message)
        : base(message) { }
}

/// <summary>There is no such device or backend on this machine.</summary>
public class NativeAmpUnavailableException : NativeAmpException
{
    internal NativeAmpUnavailableException(string message)
        : base(message) { }
}

/// <summary>The native library was not found or does not fit these bindings.</summary>
public sealed class NativeAmpLibraryException : NativeAmpUnavailableException
{
    internal NativeAmpLibraryException(NativeLibraryStatus status)
        : base(status.ToString()) => Status = status;

    /// <summary>The places that were tried, and why each failed.</summary>
    public NativeLibraryStatus Status { get; }
}

/// <summary>The device or its driver failed.</summary>
public sealed class NativeAmpDeviceException : NativeAmpException
{
    internal NativeAmpDeviceException(string message)
        : base(message) { }
}

/// <summary>
/// Work cannot be part of a graph: it waits for the device, reaches the host's memory, or needs memory or kernels that
/// are not there yet. There is no graph then.
/// </summary>
public sealed class GraphCaptureException : NativeAmpException
{
    internal GraphCaptureException(string message)
        : base(message) { }
}

/// <summary>A defect of NativeAmp itself: please report it.</summary>
public sealed class NativeAmpInternalException : NativeAmpException
{
    internal NativeAmpInternalException(string message)
        : base(message) { }
}
