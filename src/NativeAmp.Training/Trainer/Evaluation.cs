using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>Measures a model on a test set.</summary>
internal static class Evaluation
{
    private const int Batch = 250;

    /// <summary>
    /// Accuracy: the share of samples whose largest logit is their target's. Null if it was cancelled. The model is in
    /// training mode before and after.
    /// </summary>
    public static double? Accuracy(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy precision,
        CancellationToken cancellation = default
    )
    {
        long asked = 0;
        return Mean(
            model,
            data,
            device,
            precision,
            (tensors, batch) =>
            {
                int[] predicted = Ops.ArgMax(model.Forward(tensors.Fields[0])).ToArray<int>();
                ReadOnlySpan<int> targets = batch.Integers(1);
                long right = 0;
                for (int i = 0; i < predicted.Length; i++)
                    right += predicted[i] == targets[i] ? 1 : 0;
                asked += predicted.Length;
                return right;
            },
            _ => asked,
            cancellation
        );
    }

    /// <summary>
    /// Mean loss of the samples. Null if it was cancelled. The model is in training mode before and after.
    /// </summary>
    public static double? Loss(
        Module model,
        BatchLoss loss,
        IDataset data,
        Device device,
        PrecisionPolicy precision,
        CancellationToken cancellation = default
    ) =>
        Mean(
            model,
            data,
            device,
            precision,
            (tensors, batch) => (double)loss(model, tensors.Fields).Item() * batch.Count,
            samples => samples,
            cancellation
        );

    private static double? Mean(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy precision,
        Func<BatchTensors, Batch, double> sumOf,
        Func<long, long> countOf,
        CancellationToken cancellation
    )
    {
        model.Eval();
        try
        {
            int size = (int)Math.Min(Batch, data.Count);
            var batch = new Batch(data, size);
            var tensors = new BatchTensors(device, data, size);
            double sum = 0;
            try
            {
                for (long first = 0; first < data.Count; first += size)
                {
                    if (cancellation.IsCancellationRequested)
                        return null;
                    long[] indices =
                    [
                        .. Enumerable.Range(0, (int)Math.Min(size, data.Count - first)).Select(i => first + i),
                    ];
                    batch.Fill(indices);
                    if (batch.Count != tensors.Count)
                    {
                        tensors.Dispose();
                        tensors = new BatchTensors(device, data, batch.Count);
                    }

                    tensors.Write(batch);
                    using NoGrad noGrad = NoGrad.Enter();
                    using AutocastScope autocast = Autocast.Enter(precision);
                    sum += sumOf(tensors, batch);
                }
            }
            finally
            {
                tensors.Dispose();
            }

            long count = countOf(data.Count);
            return count == 0 ? double.NaN : sum / count;
        }
        finally
        {
            model.Train();
        }
    }
}
