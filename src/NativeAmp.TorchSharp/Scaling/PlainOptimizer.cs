using TorchSharp;

namespace NativeAmp.TorchSharp;

/// <summary>
/// The parameters of an optimizer that is not NativeAmp's, for a scaler: it checks and unscales their gradients by the
/// same kernels. The optimizer of NativeAmp that carries their table never steps, and has no state.
/// </summary>
internal sealed class PlainOptimizer : IDisposable
{
    /// <exception cref="NotSupportedException">A parameter is in half precision.</exception>
    public PlainOptimizer(torch.optim.Optimizer optimizer)
    {
        Parameters = [.. optimizer.parameters().Select((own, index) => new TorchParameter($"{index}", own))];
        if (Parameters.FirstOrDefault(parameter => parameter.Master is not null) is { } half)
        {
            Dispose();
            throw new NotSupportedException(
                $"The parameter '{half.Name}' is {half.Tensor.dtype}. TorchSharp's own optimizers keep no float32 "
                    + "values for it, so that small steps would be lost. Take one of the fused optimizers, or train "
                    + "float32 parameters under amp.autocast."
            );
        }
        Core = new NativeAmp.FusedSgd(Parameters);
    }

    /// <summary>NativeAmp's optimizer, for checks alone.</summary>
    public NativeAmp.FusedOptimizer Core { get; } = null!;

    /// <summary>The parameters.</summary>
    public IReadOnlyList<TorchParameter> Parameters { get; }

    public void Dispose()
    {
        Core?.Dispose();
        foreach (TorchParameter parameter in Parameters)
            parameter.Dispose();
    }
}
