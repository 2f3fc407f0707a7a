namespace NativeAmp;

/// <summary>
/// Adam, AdamW and AMSGrad (Kingma and Ba 2015, Loshchilov and Hutter 2019, Reddi et al. 2018), with the bits of
/// PyTorch's fused kernel.
/// </summary>
public sealed class FusedAdam : FusedOptimizer
{
    /// <summary>An optimizer of one group.</summary>
    /// <param name="parameters">The parameters; their device is the optimizer's.</param>
    /// <param name="options">The hyperparameters; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, or they are on several
    /// devices.</exception>
    public FusedAdam(IEnumerable<IParameter> parameters, AdamOptions? options = null)
        : this([new ParameterGroup(parameters, options ?? new AdamOptions())]) { }

    /// <summary>An optimizer of several groups, whose options are <see cref="AdamOptions"/>.</summary>
    /// <exception cref="ArgumentException">There is no parameter, one is given twice, they are on several devices, or a
    /// group's options are another rule's.</exception>
    public FusedAdam(IEnumerable<ParameterGroup> groups)
        : base(groups, typeof(AdamOptions)) { }
}
