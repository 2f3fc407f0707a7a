using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>Measures a classifier on a test set.</summary>
internal static class Evaluation
{
    private const int Batch = 250;

    /// <summary>Share of samples whose largest logit is their target's, or null where it was cancelled before its end. The model is in training mode
    /// afterwards, as before.</summary>
    public static double? Accuracy(Module model, IDataset data, Device device, PrecisionPolicy precision, CancellationToken cancellation = default)
    {
        model.Eval();
        try
        {
            int size = (int)Math.Min(Batch, data.Count);
            var batch = new Batch(data, size);
            var tensors = new BatchTensors(device, data, size);
            long right = 0;
            long asked = 0;
            try
            {
                for (long first = 0; first < data.Count; first += size)
                {
                    if (cancellation.IsCancellationRequested)
                        return null;
                    long[] indices = [.. Enumerable.Range(0, (int)Math.Min(size, data.Count - first)).Select(i => first + i)];
                    batch.Fill(indices, epoch: 0, next: default);
                    if (batch.Count != tensors.Count)
                    {
                        tensors.Dispose();
                        tensors = new BatchTensors(device, data, batch.Count);
                    }

                    tensors.Write(batch);
                    using NoGrad noGrad = NoGrad.Enter();
                    using AutocastScope autocast = Autocast.Enter(precision);
                    int[] predicted = Ops.ArgMax(model.Forward(tensors.Input)).ToArray<int>();
                    ReadOnlySpan<int> targets = batch.Targets;
                    for (int i = 0; i < predicted.Length; i++)
                        right += predicted[i] == targets[i] ? 1 : 0;
                    asked += predicted.Length;
                }
            }
            finally
            {
                tensors.Dispose();
            }

            return asked == 0 ? double.NaN : (double)right / asked;
        }
        finally
        {
            model.Train();
        }
    }
}
