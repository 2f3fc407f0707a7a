namespace NativeAmp;

/// <summary>The scope of <see cref="Device.Use"/>. Disposing it makes the previous stream current again.</summary>
public readonly struct StreamScope : IDisposable
{
    private static readonly AsyncLocal<StreamFrame?> s_innermost = new();

    // While nobody has ever chosen a stream, there is nothing to look up.
    private static volatile bool s_used;

    private readonly StreamFrame? _frame;

    private StreamScope(StreamFrame frame) => _frame = frame;

    /// <summary>Leaves the scope, and every scope entered within it. A second call does nothing.</summary>
    public void Dispose()
    {
        for (StreamFrame? open = s_innermost.Value; open is not null; open = open.Outer)
        {
            if (open != _frame)
                continue;
            s_innermost.Value = open.Outer;
            return;
        }
    }

    internal static StreamScope Enter(DeviceStream stream)
    {
        s_used = true;
        var frame = new StreamFrame(stream, s_innermost.Value);
        s_innermost.Value = frame;
        return new StreamScope(frame);
    }

    /// <summary>The stream that is in use on a device; null for the device's own.</summary>
    internal static DeviceStream? InUse(Device device)
    {
        if (!s_used)
            return null;
        StreamFrame? frame = s_innermost.Value;
        while (frame is not null && frame.Stream.Device != device)
            frame = frame.Outer;
        return frame?.Stream;
    }

    private sealed class StreamFrame(DeviceStream stream, StreamFrame? outer)
    {
        public DeviceStream Stream { get; } = stream;

        public StreamFrame? Outer { get; } = outer;
    }
}
