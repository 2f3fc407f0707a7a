namespace NativeAmp.Training;

/// <summary>Ways to divide a model's parameters into groups, for <see cref="TrainerOptions.Groups"/>.</summary>
public static class ParameterGroups
{
    /// <summary>
    /// Two groups, of which the second has no weight decay: parameters with fewer than two dimensions, that is biases
    /// and the weights of norms. This is the usual division for transformers.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The hyperparameters; <see cref="OptimizerOptions.WeightDecay"/> is that of the first
    /// group.</param>
    /// <returns>The groups that have parameters.</returns>
    public static IReadOnlyList<ParameterGroup> DecayMatricesOnly(Module model, OptimizerOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return
        [
            .. model
                .Parameters()
                .GroupBy(parameter => parameter.Shape.Rank >= 2)
                .OrderByDescending(group => group.Key)
                .Select(group => new ParameterGroup(group, group.Key ? options : options with { WeightDecay = 0 })),
        ];
    }
}
