using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>A batch on the device: a tensor for each field, written anew for each batch of the same size.</summary>
internal sealed class BatchTensors : IDisposable
{
    private readonly Tensor[] _fields;

    public BatchTensors(Device device, IDataset data, int count)
    {
        Count = count;
        _fields =
        [
            .. data.Fields.Select(field =>
                Tensor.Empty(device, field.DType, new Shape([count, .. field.Shape.Dimensions]))
            ),
        ];
    }

    /// <summary>Number of samples.</summary>
    public int Count { get; }

    /// <summary>A tensor [count, ...] for each field, float32 or int32.</summary>
    public IReadOnlyList<Tensor> Fields => _fields;

    /// <summary>Copies a batch of <see cref="Count"/> samples to the device.</summary>
    public void Write(Batch batch)
    {
        for (int field = 0; field < _fields.Length; field++)
        {
            if (_fields[field].DType == DType.Float32)
                _fields[field].CopyFrom<float>(batch.Floats(field));
            else
                _fields[field].CopyFrom<int>(batch.Integers(field));
        }
    }

    public void Dispose()
    {
        foreach (Tensor field in _fields)
            field.Dispose();
    }
}
