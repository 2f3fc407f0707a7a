using System.Collections.Concurrent;
using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// A device of TorchSharp's tensors: NativeAmp's device for it, and the stream that libtorch works on.
/// </summary>
/// <remarks>There is one for each device, for as long as the process lives: optimizers and scalers share it.</remarks>
internal sealed class TorchPlace
{
    private static readonly ConcurrentDictionary<(DeviceType Type, int Index), Lazy<TorchPlace>> s_places = new();

    private readonly DeviceStream? _stream;

    private TorchPlace(Device device, bool borrowsStream)
    {
        Device = device;
        // TorchSharp knows no other stream than libtorch's default one, which is CUDA's.
        _stream = borrowsStream ? device.BorrowStream(0) : null;
    }

    /// <summary>The machine's processors.</summary>
    public static TorchPlace Cpu => At(DeviceType.CPU, 0);

    /// <summary>NativeAmp's device.</summary>
    public Device Device { get; }

    /// <summary>The place of a tensor.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="name">Its name, for the error.</param>
    /// <exception cref="NotSupportedException">It is neither on the CPU nor on a GPU of CUDA.</exception>
    public static TorchPlace Of(torch.Tensor tensor, string name)
    {
        DeviceType type = tensor.device_type;
        int index = type == DeviceType.CPU ? 0 : tensor.device_index;
        if (type is not (DeviceType.CPU or DeviceType.CUDA))
            throw new NotSupportedException(
                $"'{name}' is on {tensor.device}. NativeAmp computes on the CPU and with CUDA: move the model there, or "
                    + "take TorchSharp's own optimizer."
            );
        return At(type, index);
    }

    /// <summary>The device as TorchSharp names it.</summary>
    public override string ToString() => Device.IsHostMemory ? "cpu" : $"cuda:{Device.Ordinal}";

    /// <summary>
    /// Makes NativeAmp work on libtorch's stream until the scope is disposed, so that both keep their order.
    /// </summary>
    public StreamScope OnTorchsStream() => _stream is null ? default : Device.Use(_stream);

    private static TorchPlace At(DeviceType type, int index) =>
        s_places.GetOrAdd((type, index), key => new Lazy<TorchPlace>(() => Open(key.Type, key.Index))).Value;

    private static TorchPlace Open(DeviceType type, int index) =>
        type == DeviceType.CPU
            ? new TorchPlace(Device.Cpu(), borrowsStream: false)
            : new TorchPlace(Device.Cuda(index), borrowsStream: true);
}
