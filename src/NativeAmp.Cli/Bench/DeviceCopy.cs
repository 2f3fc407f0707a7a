namespace NativeAmp.Cli.Bench;

/// <summary>
/// A driver's copy on the device that moves as many bytes as a kernel: half of them read, half written.
/// </summary>
internal sealed class DeviceCopy : IDisposable
{
    private const long Alignment = 256;

    private readonly Device _device;
    private readonly DeviceBuffer _source;
    private readonly long _bytes;
    private readonly long _stride;
    private readonly int _places;

    /// <param name="device">The device.</param>
    /// <param name="moved">Bytes that one call reads and writes.</param>
    /// <param name="places">Number of places that are used in turns.</param>
    public DeviceCopy(Device device, long moved, int places)
    {
        _device = device;
        _bytes = moved / 2;
        _stride = (_bytes + Alignment - 1) / Alignment * Alignment;
        _places = places;
        _source = device.Allocate(DType.UInt8, _stride * places);
        try
        {
            Destination = device.Allocate(DType.UInt8, _stride * places);
        }
        catch
        {
            _source.Dispose();
            throw;
        }
        device.FillMemory(_source.Pointer, 0x3C, _stride * places);
    }

    /// <summary>The destination: the places one after the other, each a multiple of 256 bytes long.</summary>
    public DeviceBuffer Destination { get; }

    /// <summary>Copies once; the argument counts calls.</summary>
    public void Run(int call)
    {
        nint place = (nint)(call % _places * _stride);
        _device.CopyOnDevice(Destination.Pointer + place, _source.Pointer + place, _bytes);
    }

    public void Dispose()
    {
        _source.Dispose();
        Destination.Dispose();
    }
}
