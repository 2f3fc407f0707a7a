using TorchSharp;
using static TorchSharp.torch;

/// <summary>libtorch ops that TorchSharp does not bind, reached through TorchScript.</summary>
static class Script
{
    const string Source = """
def unscale(grads: List[Tensor], found: Tensor, inv: Tensor):
    torch._amp_foreach_non_finite_check_and_unscale_(grads, found, inv)
    return found
def update(scale: Tensor, tracker: Tensor, found: Tensor, g: float, b: float, interval: int):
    torch._amp_update_scale_(scale, tracker, found, g, b, interval)
    return scale
def adamw(p: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], mv: List[Tensor], steps: List[Tensor], lr: float, b1: float, b2: float, wd: float, eps: float, ams: bool, maxi: bool, gs: Optional[Tensor], fi: Optional[Tensor]):
    torch._fused_adamw_(p, g, m, v, mv, steps, lr=lr, beta1=b1, beta2=b2, weight_decay=wd, eps=eps, amsgrad=ams, maximize=maxi, grad_scale=gs, found_inf=fi)
    return p[0]
def adam(p: List[Tensor], g: List[Tensor], m: List[Tensor], v: List[Tensor], mv: List[Tensor], steps: List[Tensor], lr: float, b1: float, b2: float, wd: float, eps: float, ams: bool, maxi: bool, gs: Optional[Tensor], fi: Optional[Tensor]):
    torch._fused_adam_(p, g, m, v, mv, steps, lr=lr, beta1=b1, beta2=b2, weight_decay=wd, eps=eps, amsgrad=ams, maximize=maxi, grad_scale=gs, found_inf=fi)
    return p[0]
def sgd(p: List[Tensor], g: List[Tensor], buf: List[Tensor], wd: float, momentum: float, lr: float, dampening: float, nesterov: bool, maxi: bool, first: bool, gs: Optional[Tensor], fi: Optional[Tensor]):
    torch._fused_sgd_(p, g, buf, weight_decay=wd, momentum=momentum, lr=lr, dampening=dampening, nesterov=nesterov, maximize=maxi, is_first_step=first, grad_scale=gs, found_inf=fi)
    return p[0]
def norms(x: List[Tensor]):
    return torch._foreach_norm(x, 2)

""";
    static readonly torch.jit.CompilationUnit Unit = torch.jit.compile(Source);

    public static void Unscale(Tensor[] grads, Tensor found, Tensor inv) => Unit.invoke("unscale", grads, found, inv);

    public static void Update(Tensor scale, Tensor tracker, Tensor found, double g, double b, long n) =>
        Unit.invoke("update", scale, tracker, found, g, b, n);

    public static void Adam(
        bool decoupled,
        Tensor[] p,
        Tensor[] g,
        Tensor[] m,
        Tensor[] v,
        Tensor[] mv,
        Tensor[] st,
        double lr,
        double b1,
        double b2,
        double wd,
        double eps,
        bool ams,
        bool maxi,
        Tensor? gs,
        Tensor? fi
    ) => Unit.invoke(decoupled ? "adamw" : "adam", p, g, m, v, mv, st, lr, b1, b2, wd, eps, ams, maxi, gs!, fi!);

    /// <summary>AdamW with default options: torch's defaults, a float32 step, no scaler.</summary>
    public static void AdamW(Tensor[] p, Tensor[] g, Tensor[] m, Tensor[] v, Tensor[] st, double lr) =>
        Adam(true, p, g, m, v, [], st, lr, 0.9, 0.999, 0.01, 1e-8, false, false, null, null);

    public static void Sgd(
        Tensor[] p,
        Tensor[] g,
        Tensor[] buffers,
        double wd,
        double momentum,
        double lr,
        double dampening,
        bool nesterov,
        bool maxi,
        bool first,
        Tensor? gs,
        Tensor? fi
    ) => Unit.invoke("sgd", p, g, buffers, wd, momentum, lr, dampening, nesterov, maxi, first, gs!, fi!);

    public static void Norms(Tensor[] x) => Unit.invoke("norms", (object)x);
}
