namespace NativeAmp.Training.Quantization;

/// <summary>
/// Folds batch norms into the convolutions before them: in evaluation mode a batch norm is a factor and an addend a
/// channel, which the convolution's weight and bias take over. The model computes the same, but for rounding, in fewer
/// passes.
/// </summary>
/// <remarks>
/// Only a <see cref="Sequential"/> says which module follows which: a batch norm is folded where it is right after a
/// <see cref="Conv2d"/> in one, and both, with their parameters, are in one place of the model. That the model calls
/// the Sequential, and not modules inside it, is taken for granted.
/// </remarks>
public static class BatchNormFolding
{
    /// <summary>Folds every batch norm that can be folded, in place.</summary>
    /// <param name="model">The float32 model.</param>
    /// <returns>The batch norms that were folded, and those that were not, each with the reason.</returns>
    /// <exception cref="ArgumentException">A value of a convolution or batch norm is not finite, or its folded value
    /// would not be. Nothing was changed.</exception>
    /// <exception cref="InvalidOperationException">A parameter is not float32, or belongs to an optimizer. Nothing was
    /// changed.</exception>
    public static BatchNormReport Fold(Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        (IReadOnlyList<BatchNormPair> pairs, IReadOnlyList<KeptBatchNorm> kept) = Find(model, []);
        FoldedWeight[] folded = [.. pairs.Select(FoldedWeight.Of)];
        foreach (FoldedWeight each in folded)
            each.Take();

        return ReportOf(pairs, kept);
    }

    /// <summary>The pairs that can be folded, and the batch norms that cannot.</summary>
    /// <param name="model">The model.</param>
    /// <param name="keep">Names of convolutions that stay as they are.</param>
    internal static (IReadOnlyList<BatchNormPair> Pairs, IReadOnlyList<KeptBatchNorm> Kept) Find(
        Module model,
        IReadOnlyCollection<string> keep
    )
    {
        List<(string Name, Module Module, Sequential? Chain, int Place)> all = [];
        Walk("", model);
        var uses = all.CountBy(each => each.Module).ToDictionary();
        var values = model.NamedParameters().Concat(model.NamedBuffers()).CountBy(each => each.Item2).ToDictionary();
        List<BatchNormPair> pairs = [];
        List<KeptBatchNorm> kept = [];
        foreach ((string name, Module module, Sequential? chain, int place) in all)
        {
            if (module is not BatchNorm2d { IsFolded: false } norm)
                continue;
            string? reason = null;
            if (chain is null || place == 0 || chain[place - 1] is not Conv2d convolution)
            {
                kept.Add(
                    new KeptBatchNorm { Name = name, Reason = "it does not follow a convolution in a Sequential" }
                );
                continue;
            }

            string before = all.First(each => each.Module == convolution).Name;
            if (uses[norm] > 1 || uses[convolution] > 1)
                reason = $"it or '{before}' is in several places of the model";
            else if (convolution.Quantized is not null)
                reason = $"'{before}' is quantised";
            else if (keep.Contains(before))
                reason = $"'{before}' is kept";
            else if (norm.Weight.Count != convolution.WeightShape[0])
                reason = $"it has {norm.Weight.Count} channels, and '{before}' gives {convolution.WeightShape[0]}";
            var pair = new BatchNormPair(name, norm, before, convolution);
            if (reason is null && pair.Values.Any(each => values[each] > 1))
                reason = $"a parameter of it or of '{before}' has several names in the model";
            if (reason is null)
                pairs.Add(pair);
            else
                kept.Add(new KeptBatchNorm { Name = name, Reason = reason });
        }

        return (pairs, kept);

        // Each place of each module: a module of several places is listed several times.
        void Walk(string path, Module module)
        {
            if (path.Length == 0)
                all.Add((path, module, null, 0));
            int place = 0;
            foreach ((string child, Module each) in module.NamedChildren())
            {
                string name = path.Length == 0 ? child : $"{path}.{child}";
                all.Add((name, each, module as Sequential, place++));
                Walk(name, each);
            }
        }
    }

    /// <summary>The batch norms of a model that are folded, with their convolutions.</summary>
    internal static IEnumerable<(string Norm, string Convolution)> FoldedIn(Module model)
    {
        List<(string, string)> found = [];
        Walk("", model);
        return found;

        void Walk(string path, Module module)
        {
            string last = "";
            foreach ((string child, Module each) in module.NamedChildren())
            {
                string name = path.Length == 0 ? child : $"{path}.{child}";
                if (each is BatchNorm2d { IsFolded: true })
                    found.Add((name, last));
                last = name;
                Walk(name, each);
            }
        }
    }

    internal static BatchNormReport ReportOf(IEnumerable<BatchNormPair> pairs, IReadOnlyList<KeptBatchNorm> kept) =>
        new()
        {
            Folded =
            [
                .. pairs.Select(pair => new FoldedBatchNorm { Name = pair.Name, Convolution = pair.ConvolutionName }),
            ],
            Kept = kept,
        };
}

/// <summary>A batch norm and the convolution before it.</summary>
internal sealed record BatchNormPair(string Name, BatchNorm2d Norm, string ConvolutionName, Conv2d Convolution)
{
    /// <summary>The parameters and buffers of both.</summary>
    public IEnumerable<Parameter> Values =>
        ((Parameter?[])[Convolution.Weight, Convolution.Bias, .. NormValues]).OfType<Parameter>();

    /// <summary>The parameters and buffers of the batch norm.</summary>
    public IEnumerable<Parameter> NormValues => [Norm.Weight, Norm.Bias, Norm.RunningMean, Norm.RunningVariance];

    /// <summary>Checks that the values may change: they are float32, and no optimizer's.</summary>
    public void CheckFree()
    {
        foreach (Parameter each in Values)
        {
            if (each.DType != DType.Float32)
                throw new InvalidOperationException(
                    $"'{ConvolutionName}' or '{Name}' has parameters in {each.DType.Name()}: call "
                        + "model.To(DType.Float32) first."
                );
            if (each.Optimizers.Any)
                throw new InvalidOperationException(
                    $"A parameter of '{ConvolutionName}' or '{Name}' belongs to an optimizer; dispose that first."
                );
        }
    }
}

/// <summary>The values of a convolution with a batch norm folded into it, which nothing has taken yet.</summary>
internal sealed record FoldedWeight(BatchNormPair Pair, float[] Weight, float[] Bias)
{
    /// <summary>Folds the values: w γ / √(σ² + ε), and (b − μ) γ / √(σ² + ε) + β.</summary>
    public static FoldedWeight Of(BatchNormPair pair)
    {
        pair.CheckFree();
        float[] weight = pair.Convolution.Weight.ReadMaster();
        float[] gamma = pair.Norm.Weight.ReadMaster();
        float[] beta = pair.Norm.Bias.ReadMaster();
        float[] mean = pair.Norm.RunningMean.ReadMaster();
        float[] variance = pair.Norm.RunningVariance.ReadMaster();
        float[] bias = pair.Convolution.Bias?.ReadMaster() ?? new float[gamma.Length];
        int width = weight.Length / gamma.Length;
        for (int channel = 0; channel < gamma.Length; channel++)
        {
            double factor = gamma[channel] / Math.Sqrt(variance[channel] + (double)pair.Norm.Epsilon);
            bias[channel] = (float)((bias[channel] - (double)mean[channel]) * factor + beta[channel]);
            foreach (ref float value in weight.AsSpan(channel * width, width))
                value = (float)(value * factor);
        }

        return Array.TrueForAll(weight, float.IsFinite) && Array.TrueForAll(bias, float.IsFinite)
            ? new FoldedWeight(pair, weight, bias)
            : throw new ArgumentException(
                $"'{pair.ConvolutionName}' with '{pair.Name}' folded into it would have values that are not finite."
            );
    }

    /// <summary>The convolution takes weight and bias, and the batch norm gives up its values.</summary>
    public void Take()
    {
        Pair.Convolution.Weight.WriteMaster(Weight);
        TakeBias();
    }

    /// <summary>The convolution takes the bias, and the batch norm gives up its values.</summary>
    public void TakeBias()
    {
        Pair.Convolution.RequireBias().WriteMaster(Bias);
        Pair.Norm.Fold();
    }
}
