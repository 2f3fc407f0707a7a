using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>
/// Measures a model on a data set, such as the one that it was not trained on: in evaluation mode, without a graph, in
/// batches. Every module's mode is the same afterwards.
/// </summary>
public static class Evaluation
{
    private const int Batch = 250;

    /// <summary>
    /// Accuracy, 0 to 1: the share of labels that are the class of the largest logit. Field 0 of the data is the
    /// model's input, field 1 its labels (int32, one for each row of logits). Rows with the label that
    /// <see cref="Loss.CrossEntropy"/> ignores, -100, do not count; NaN if no row counts.
    /// </summary>
    /// <param name="model">The model, on the device; it returns logits [..., classes].</param>
    /// <param name="data">At least one sample.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="precision">The policy of autocast; null for float32.</param>
    /// <param name="cancellation">Ends the measurement after the current batch.</param>
    /// <exception cref="ArgumentException">The data set is empty, or its field 1 is not int32.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static double Accuracy(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy? precision = null,
        CancellationToken cancellation = default
    )
    {
        Check(model, data, device);
        if (data.Fields.Count < 2 || data.Fields[1].DType != DType.Int32)
            throw new ArgumentException("Accuracy needs labels: a second field, of int32.", nameof(data));
        return Mean(model, data, device, precision, AccuracyOf(model), cancellation);
    }

    /// <summary>The mean loss of the samples.</summary>
    /// <param name="model">The model, on the device.</param>
    /// <param name="loss">The mean loss of a batch, a scalar, from the batch's fields.</param>
    /// <param name="data">At least one sample.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="precision">The policy of autocast; null for float32.</param>
    /// <param name="cancellation">Ends the measurement after the current batch.</param>
    /// <exception cref="ArgumentException">The data set is empty.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static double MeanLoss(
        Module model,
        BatchLoss loss,
        IDataset data,
        Device device,
        PrecisionPolicy? precision = null,
        CancellationToken cancellation = default
    )
    {
        Check(model, data, device);
        ArgumentNullException.ThrowIfNull(loss);
        return Mean(model, data, device, precision, LossOf(model, loss), cancellation);
    }

    /// <summary>A sum over a batch, and what to divide the total by: the number of its samples or elements.</summary>
    internal delegate (double Sum, long Count) Measure(BatchTensors tensors, Batch batch);

    /// <summary>Accuracy: the share of targets, but for ignored ones, that are the index of their largest
    /// logit.</summary>
    internal static Measure AccuracyOf(Module model) =>
        (tensors, batch) =>
        {
            int[] predicted = Ops.ArgMax(model.Forward(tensors.Fields[0])).ToArray<int>();
            ReadOnlySpan<int> targets = batch.Integers(1);
            (long right, long counted) = (0, 0);
            for (int i = 0; i < predicted.Length; i++)
            {
                right += predicted[i] == targets[i] ? 1 : 0;
                counted += targets[i] == CrossEntropyArguments.DefaultIgnoreIndex ? 0 : 1;
            }

            return (right, counted);
        };

    /// <summary>Mean loss of the samples.</summary>
    internal static Measure LossOf(Module model, BatchLoss loss) =>
        MetricOf(model, (module, fields) => loss(module, fields).Item());

    /// <summary>Mean of a metric over the samples.</summary>
    internal static Measure MetricOf(Module model, BatchMetric metric) =>
        (tensors, batch) => (metric(model, tensors.Fields) * batch.Count, batch.Count);

    /// <summary>
    /// Means of measures over a data set, in one pass. Null if it was cancelled. Every module is in the same mode
    /// before and after.
    /// </summary>
    internal static double[]? Means(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy precision,
        IReadOnlyList<Measure> measures,
        CancellationToken cancellation
    )
    {
        using EvaluationMode mode = EvaluationMode.Enter(model);
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
    }

    private static double Mean(
        Module model,
        IDataset data,
        Device device,
        PrecisionPolicy? precision,
        Measure measure,
        CancellationToken cancellation
    ) =>
        Means(model, data, device, precision ?? PrecisionPolicy.Float32, [measure], cancellation)?[0]
        ?? throw new OperationCanceledException(cancellation);

    private static void Check(Module model, IDataset data, Device device)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(device);
        if (data.Count == 0)
            throw new ArgumentException("The data set is empty: there is nothing to measure.", nameof(data));
    }
}
