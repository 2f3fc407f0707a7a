namespace NativeAmp;

/// <summary>
/// The remainders of an optimizer's bfloat16 parameters, which with them are float32 masters, and the masters of all
/// half-precision parameters in snapshots.
/// </summary>
internal sealed class MasterColumn : IDisposable
{
    /// <summary>The name of a parameter's master in a snapshot.</summary>
    public const string Name = "master";

    private readonly Device _device;
    private readonly IParameter[] _parameters;
    private readonly StateColumn? _remainders;

    /// <summary>Remainders of 0: masters equal to the parameters.</summary>
    /// <param name="device">The device.</param>
    /// <param name="parameters">The parameters.</param>
    /// <param name="dtypes">The type of each parameter's remainders; none for a parameter without.</param>
    public MasterColumn(Device device, IParameter[] parameters, DType[] dtypes)
    {
        _device = device;
        _parameters = parameters;
        if (dtypes.Any(dtype => dtype != DType.None))
            _remainders = new StateColumn(device, [.. parameters.Select(p => p.Count)], dtypes);
    }

    /// <summary>Whether any parameter has remainders.</summary>
    public bool Any => _remainders is not null;

    /// <summary>Bytes of the remainders.</summary>
    public long Bytes => _remainders?.Bytes ?? 0;

    /// <summary>A parameter's remainders in the optimizer's table.</summary>
    public TensorCell Cell(int index) => _remainders?.Cell(index) ?? default;

    /// <summary>Whether a parameter has remainders.</summary>
    public bool Has(int index) => Cell(index).Pointer != 0;

    /// <summary>Copies a parameter's master to the host; null if it has no remainders.</summary>
    public float[]? Read(int index)
    {
        if (!Has(index))
            return null;
        using DeviceBuffer upper = Upper(index);
        using DeviceBuffer remainders = Remainders(index);
        return [.. upper.ToArray<BFloat16>().Zip(remainders.ToArray<short>(), Join)];
    }

    /// <summary>Sets a half-precision parameter to its master; if that is null, its remainders to 0.</summary>
    public void Write(int index, float[]? master)
    {
        IParameter parameter = _parameters[index];
        // A float32 parameter is its own master, and its owner loads it.
        if (parameter.DType == DType.Float32 || parameter.Count == 0)
            return;
        bool remains = Has(index);
        if (master is null)
        {
            if (!remains)
                return;
            using DeviceBuffer remainders = Remainders(index);
            remainders.Clear();
        }
        else if (remains)
        {
            using DeviceBuffer upper = Upper(index);
            using DeviceBuffer remainders = Remainders(index);
            upper.CopyFrom<BFloat16>(Array.ConvertAll(master, value => Split(value).Upper));
            remainders.CopyFrom<short>(Array.ConvertAll(master, value => Split(value).Remainder));
        }
        else
        {
            using DeviceBuffer floats = _device.Allocate<float>(master);
            AmpKernels.Cast(_device, new TensorCell(parameter.Data, parameter.DType), floats.ToCell(), master.Length);
        }
    }

    public void Dispose() => _remainders?.Dispose();

    // The bits as native/formulas/remainder.h keeps them.
    private static float Join(BFloat16 upper, short remainder) =>
        BitConverter.UInt32BitsToSingle(unchecked(((uint)upper.ToBits() << 16) + (uint)remainder));

    private static (BFloat16 Upper, short Remainder) Split(float master)
    {
        uint bits = BitConverter.SingleToUInt32Bits(master);
        return float.IsNaN(master)
            ? ((BFloat16)master, (short)0)
            : (BFloat16.FromBits((ushort)((bits + 0x8000) >> 16)), unchecked((short)bits));
    }

    private DeviceBuffer Upper(int index) =>
        _device.BorrowMemory(_parameters[index].Data, DType.BFloat16, _parameters[index].Count);

    private DeviceBuffer Remainders(int index) =>
        _device.BorrowMemory(Cell(index).Pointer, DType.Int16, _parameters[index].Count);
}
