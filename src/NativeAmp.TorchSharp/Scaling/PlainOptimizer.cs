using TorchSharp;
using TorchSharp.Modules;

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
        Parameters = [.. Own(optimizer).Select((own, index) => new TorchParameter($"{index}", own))];
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

    /// <summary>Whether the optimizer still has these parameters, and no others.</summary>
    public bool IsOf(torch.optim.Optimizer optimizer) =>
        Own(optimizer).SequenceEqual(Parameters.Select(parameter => parameter.Tensor));

    private static IEnumerable<Parameter> Own(torch.optim.Optimizer optimizer) =>
        optimizer.parameters().Distinct<Parameter>(ReferenceEqualityComparer.Instance);

    public void Dispose()
    {
        Core?.Dispose();
        foreach (TorchParameter parameter in Parameters)
            parameter.Dispose();
    }
}
