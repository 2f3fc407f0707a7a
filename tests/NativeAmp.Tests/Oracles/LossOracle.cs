namespace NativeAmp.Tests;

/// <summary>Losses and their gradients in double, from the definitions.</summary>
internal static class LossOracle
{
    public static (double Loss, double[] Gradient) CrossEntropy(
        float[] logits,
        int[] labels,
        int classes,
        int ignore,
        bool mean,
        double factor
    )
    {
        int counted = labels.Count(l => l != ignore);
        double weight = mean ? factor / counted : factor,
            loss = 0;
        var gradient = new double[logits.Length];
        for (int row = 0; row < labels.Length; row++)
        {
            if (labels[row] == ignore)
                continue;
            double[] x = [.. logits.Skip(row * classes).Take(classes).Select(v => (double)v)];
            double largest = x.Max(),
                sum = x.Sum(v => Math.Exp(v - largest));
            for (int c = 0; c < classes; c++)
            {
                double probability = Math.Exp(x[c] - largest) / sum;
                gradient[row * classes + c] =
                    (
                        labels[row] is var label && (label < 0 || label >= classes)
                            ? double.NaN
                            : probability - (c == label ? 1 : 0)
                    ) * weight;
            }
            loss += labels[row] < 0 || labels[row] >= classes ? double.NaN : Math.Log(sum) + largest - x[labels[row]];
        }
        return (mean ? loss / counted : loss, gradient);
    }

    public static (double Loss, double[] Gradient) MeanSquaredError(
        float[] prediction,
        float[] target,
        bool mean,
        double factor
    )
    {
        double weight = mean ? factor / prediction.Length : factor;
        double[] difference = [.. prediction.Zip(target, (p, t) => (double)p - t)];
        double sum = difference.Sum(d => d * d);
        return (mean ? sum / prediction.Length : sum, [.. difference.Select(d => 2 * d * weight)]);
    }
}
