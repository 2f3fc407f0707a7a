using static TorchSharp.torch;

namespace NativeAmp.TorchSharp.Tests;

/// <summary>
/// The oracle: libtorch's own fused optimizers, which TorchSharp does not show and TorchScript reaches. They compute
/// each element as NativeAmp promises to, to the bit.
/// </summary>
internal static class LibTorchKernels
{
    private const string Source = """
def adam(decoupled: bool, p: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], mv: List[Tensor], steps: List[Tensor], lr: float, b1: float, b2: float, wd: float, eps: float, ams: bool, maxi: bool):
    if decoupled:
        torch._fused_adamw_(p, g, m, v, mv, steps, lr=lr, beta1=b1, beta2=b2, weight_decay=wd, eps=eps, amsgrad=ams, maximize=maxi)
    else:
        torch._fused_adam_(p, g, m, v, mv, steps, lr=lr, beta1=b1, beta2=b2, weight_decay=wd, eps=eps, amsgrad=ams, maximize=maxi)
    return p[0]
def sgd(p: List[Tensor], g: List[Tensor], buf: List[Tensor], wd: float, momentum: float, lr: float, dampening: float, nesterov: bool, maxi: bool, first: bool):
    torch._fused_sgd_(p, g, buf, weight_decay=wd, momentum=momentum, lr=lr, dampening=dampening, nesterov=nesterov, maximize=maxi, is_first_step=first)
    return p[0]

""";

    private static readonly Lazy<jit.CompilationUnit> s_unit = new(() => jit.compile(Source));

    /// <summary>Steps of Adam, over copies of the parameters that it returns.</summary>
    public static Tensor[] Adam(
        Tensor[] parameters,
        IEnumerable<Tensor[]> gradients,
        bool decoupled,
        double lr,
        double weightDecay,
        bool amsgrad,
        bool maximize
    )
    {
        using var _ = no_grad();
        Tensor[] p = [.. parameters.Select(x => x.detach().clone())];
        Tensor[] Zeros() => [.. p.Select(x => zeros_like(x))];
        Tensor[] m = Zeros(),
            v = Zeros(),
            largest = amsgrad ? Zeros() : [],
            steps = [.. p.Select(x => zeros(1))];
        foreach (Tensor[] g in gradients)
        {
            foreach (Tensor step in steps)
                step.add_(1);
            s_unit.Value.invoke(
                "adam",
                decoupled,
                p,
                g,
                m,
                v,
                largest,
                steps,
                lr,
                0.9,
                0.999,
                weightDecay,
                1e-8,
                amsgrad,
                maximize
            );
        }
        return p;
    }

    /// <summary>Steps of SGD, over copies of the parameters that it returns.</summary>
    public static Tensor[] Sgd(
        Tensor[] parameters,
        IEnumerable<Tensor[]> gradients,
        double lr,
        double momentum,
        double dampening,
        double weightDecay,
        bool nesterov,
        bool maximize
    )
    {
        using var _ = no_grad();
        Tensor[] p = [.. parameters.Select(x => x.detach().clone())];
        Tensor[] buffers = momentum == 0 ? [] : [.. p.Select(x => zeros_like(x))];
        bool first = true;
        foreach (Tensor[] g in gradients)
        {
            s_unit.Value.invoke("sgd", p, g, buffers, weightDecay, momentum, lr, dampening, nesterov, maximize, first);
            first = false;
        }
        return p;
    }
}
