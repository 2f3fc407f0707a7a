using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>Measures a model on a test set.</summary>
internal static class Evaluation
{
    private const int Batch = 250;

    /// <summary>A sum over a batch, and what to divide the total by: the number of its samples or elements.</summary>
    public delegate (double Sum, long Count) Measure(BatchTensors tensors, Batch batch);

    /// <summary>Accuracy: the share of targets that are the index of their largest logit.</summary>
    public static Measure AccuracyOf(Module model) =>
        (tensors, batch) =>
        {
            int[] predicted = Ops.ArgMax(model.Forward(tensors.Fields[0])).ToArray<int>();
            ReadOnlySpan<int> targets = batch.Integers(1);
            long right = 0;
            for (int i = 0; i < predicted.Length; i++)
                right += predicted[i] == targets[i] ? 1 : 0;
            return (right, predicted.Length);
        };

    /// <summary>Mean loss of the samples.</summary>
    public static Measure LossOf(Module model, BatchLoss loss) =>
        MetricOf(model, (module, fields) => loss(module, fields).Item());

    /// <summary>Mean of a metric over the samples.</summary>
    public static Measure MetricOf(Module model, BatchMetric metric) =>
        (tensors, batch) => (metric(model, tensors.Fields) * batch.Count, batch.Count);

    /// <summary>As <see cref="Means"/>, of the accuracy alone.</summary>
    public static double? Accuracy(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy precision,
        CancellationToken cancellation = default
    ) => Means(model, data, device, precision, [AccuracyOf(model)], cancellation)?[0];

    /// <summary>
    /// Means of measures over a data set, in one pass. Null if it was cancelled. The model is in training mode before
    /// and after.
    /// </summary>
    public static double[]? Means(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy precision,
        IReadOnlyList<Measure> measures,
        CancellationToken cancellation
    )
    {
        model.Eval();
        try
        {
            int size = (int)Math.Min(Batch, data.Count);
            var batch = new Batch(data, size);
            var tensors = new BatchTensors(device, data.Fields, size);
            double[] sums = new double[measures.Count];
            long[] counts = new long[measures.Count];
            try
            {
                for (long first = 0; first < data.Count; first += size)
                {
                    long[] indices =
                    [
                        .. Enumerable.Range(0, (int)Math.Min(size, data.Count - first)).Select(i => first + i),
                    ];
                    batch.Fill(indices, epoch: 0, next: default, cancellation);
                    if (batch.Count != tensors.Count)
                    {
                        tensors.Dispose();
                        tensors = new BatchTensors(device, data.Fields, batch.Count);
                    }

                    tensors.Write(batch);
                    using NoGrad noGrad = NoGrad.Enter();
                    using AutocastScope autocast = Autocast.Enter(precision);
                    for (int i = 0; i < sums.Length; i++)
                    {
                        (double sum, long count) = measures[i](tensors, batch);
                        sums[i] += sum;
                        counts[i] += count;
                    }
                }
            }
            finally
            {
                tensors.Dispose();
            }

            return [.. sums.Select((sum, i) => counts[i] == 0 ? double.NaN : sum / counts[i])];
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            model.Train();
        }
    }
}
