using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>A batch on the device: a tensor for each field, written anew for each batch of the same size.</summary>
internal sealed class BatchTensors : IDisposable
{
    private readonly Tensor[] _fields;

    public BatchTensors(Device device, IReadOnlyList<DataField> fields, int count)
    {
        Count = count;
        _fields =
        [
            .. fields.Select(field => Tensor.Empty(device, field.DType, new Shape([count, .. field.Shape.Dimensions]))),
        ];
    }

    /// <summary>Number of samples.</summary>
    public int Count { get; }

    /// <summary>A tensor [count, ...] for each field, float32 or int32.</summary>
    public IReadOnlyList<Tensor> Fields => _fields;

    /// <summary>Copies <see cref="Count"/> samples of a batch to the device, from one of them on.</summary>
    public void Write(Batch batch, int first = 0)
    {
        for (int field = 0; field < _fields.Length; field++)
        {
            if (_fields[field].DType == DType.Float32)
                _fields[field].CopyFrom<float>(batch.Part<float>(field, first, Count));
            else
                _fields[field].CopyFrom<int>(batch.Part<int>(field, first, Count));
        }
    }

    public void Dispose()
    {
        foreach (Tensor field in _fields)
            field.Dispose();
    }
}
