using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>A batch on the device: one input and one target tensor, written anew for each batch of the same size.</summary>
internal sealed class BatchTensors : IDisposable
{
    public BatchTensors(Device device, IDataset data, int count)
    {
        Count = count;
        if (data.TokensPerSample > 0)
        {
            Input = Tensor.Empty(device, DType.Int32, [count, data.TokensPerSample]);
            Targets = Tensor.Empty(device, DType.Int32, [count, data.TargetsPerSample]);
        }
        else
        {
            long[] shape = [count, .. data.FeatureShape.ToArray().Select(size => (long)size)];
            Input = Tensor.Empty(device, DType.Float32, new Shape(shape));
            Targets = Tensor.Empty(device, DType.Int32, data.TargetsPerSample == 1 ? [count] : [count, data.TargetsPerSample]);
        }
    }

    /// <summary>Samples.</summary>
    public int Count { get; }

    /// <summary>[count, ...] float32 features, or [count, tokens] int32.</summary>
    public Tensor Input { get; }

    /// <summary>[count] or [count, targets] int32.</summary>
    public Tensor Targets { get; }

    /// <summary>Copies a batch of as many samples to the device.</summary>
    public void Write(Batch batch)
    {
        if (batch.Data.TokensPerSample > 0)
            Input.CopyFrom<int>(batch.Tokens);
        else
            Input.CopyFrom<float>(batch.Features);
        Targets.CopyFrom<int>(batch.Targets);
    }

    public void Dispose()
    {
        Input.Dispose();
        Targets.Dispose();
    }
}
