namespace NativeAmp.Training;

/// <summary>
/// The words that a graph draws from a generator: before each launch it reserves them, and writes the index of the
/// first to the device.
/// </summary>
internal sealed class CapturedWords(Device device, RandomGenerator random) : IGraphPart
{
    private readonly DeviceBuffer _first = device.Allocate(DType.UInt8, sizeof(ulong));
    private long _count;
    private ulong _seed;

    /// <summary>Words of each launch; the index is counted from the launch's first.</summary>
    public (ulong Offset, nint Base) Reserve(long count)
    {
        _seed = random.Seed;
        _count += count;
        return ((ulong)(_count - count), _first.Pointer);
    }

    public void Joins() => _count = 0;

    public void Captured() { }

    public void Abandoned() { }

    public string? Outdated() =>
        random.Seed == _seed
            ? null
            : $"The generator's seed was {_seed} when its masks were captured, and is {random.Seed} now: capture the "
                + "step anew.";

    public void BeforeLaunch()
    {
        ulong first = random.Reserve(_count);
        _first.CopyFrom<byte>(BitConverter.GetBytes(first));
    }

    public void AfterLaunch() { }

    public void Dispose() => _first.Dispose();
}
