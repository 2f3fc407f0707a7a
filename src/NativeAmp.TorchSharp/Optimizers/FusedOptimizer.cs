using TorchSharp;
using TorchSharp.Modules;

namespace NativeAmp.TorchSharp;

/// <summary>
/// An optimizer over TorchSharp's own parameters and gradients, in place. A step is one call of NativeAmp's kernels for
/// any number of parameters. It is a <see cref="torch.optim.Optimizer"/>, so TorchSharp's schedulers work with it.
/// </summary>
/// <remarks>
/// A parameter in float16 or bfloat16 has a float32 master, which the step updates and rounds into the parameter. What
/// others write into such a parameter, as <c>module.load</c> does, counts: the master follows before the next step.
/// Parameters without a gradient are left out of a step. The optimizer holds the tensors that it was given: make it
/// after the model is on its device and in its type. It is used by one thread at a time, as the tensors are.
/// </remarks>
public abstract class FusedOptimizer : torch.optim.Optimizer
{
    private readonly FusedParamGroup[] _groups;
    private readonly TorchParameter[] _parameters;
    private bool _disposed;

    private protected FusedOptimizer(
        IEnumerable<FusedParamGroup> groups,
        Func<IEnumerable<ParameterGroup>, NativeAmp.FusedOptimizer> create
    )
        : base(IntPtr.Zero)
    {
        ArgumentNullException.ThrowIfNull(groups);
        _groups = [.. groups];
        if (Array.Exists(_groups, group => group.IsTaken))
            throw new ArgumentException("A group belongs to one optimizer; make a new group of the parameters.");
        TorchParameter[][] parameters = ParameterSet.Of(_groups);
        _parameters = [.. parameters.SelectMany(group => group)];
        try
        {
            Core = create([.. _groups.Select((group, index) => group.Bind(parameters[index]))]);
        }
        catch
        {
            foreach (FusedParamGroup group in _groups)
                group.Release();
            DisposeParameters();
            throw;
        }
        // As torch.optim: gradients are applied as they are, unless a scaler or clipping looks at them.
        Core.CheckGradients = false;
    }

    /// <summary>
    /// Whether a plain <see cref="step"/> first checks that all gradients are finite, and is skipped if one is not. It
    /// is false at first, as in <c>torch.optim</c>. With a <see cref="GradScaler"/> and with clipping they always are.
    /// </summary>
    public bool CheckGradients
    {
        get => Core.CheckGradients;
        set => Core.CheckGradients = value;
    }

    /// <summary>The result of the last step: whether it was skipped and why, and the gradients' norm.</summary>
    /// <exception cref="InvalidOperationException">No step was taken; thrown when it is read.</exception>
    public StepResult LastStep { get; private set; }

    /// <summary>The groups, each with its learning rate.</summary>
    public override IEnumerable<torch.optim.ILearningRateController> ParamGroups => _groups;

    /// <summary>NativeAmp's optimizer of the same parameters.</summary>
    internal NativeAmp.FusedOptimizer Core { get; }

    /// <summary>The parameters, in the order of the groups.</summary>
    internal IReadOnlyList<TorchParameter> Trained => _parameters;

    /// <summary>Takes a step with gradients that carry no loss scale.</summary>
    /// <param name="closure">Computes the loss and its gradients anew; null if they are there.</param>
    /// <returns>The closure's loss; null without one.</returns>
    /// <exception cref="InvalidOperationException">No parameter has a gradient, or one cannot be used; the message says
    /// which. Nothing was changed.</exception>
    /// <exception cref="ObjectDisposedException">A parameter was disposed, as by <c>module.to(...)</c>.</exception>
    public override torch.Tensor? step(Func<torch.Tensor>? closure = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        torch.Tensor? loss = null;
        if (closure is not null)
        {
            using (torch.enable_grad())
                loss = closure();
        }
        TakeStep(scaler: null);
        return loss;
    }

    /// <summary>
    /// Clips gradients to a global L2 norm in the next step, as <c>torch.nn.utils.clip_grad_norm_</c> does at once.
    /// It costs no pass of its own, needs no <see cref="GradScaler.unscale_"/> before it, and leaves the gradients in
    /// memory as they are. <see cref="LastStep"/> has the norm.
    /// </summary>
    /// <param name="max_norm">The largest norm, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The norm is not above 0.</exception>
    public void clip_grad_norm_(double max_norm)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Core.ClipGradNorm((float)max_norm);
    }

    /// <summary>Sets all gradients to zero, as TorchSharp's optimizers do.</summary>
    public override void zero_grad() => zero_grad(set_to_none: false);

    /// <summary>Sets all gradients to zero, or drops them.</summary>
    /// <param name="set_to_none">
    /// Whether to drop them: the next backward pass then writes gradients instead of adding to zeros, and a parameter
    /// that it does not reach is left out of the step.
    /// </param>
    public void zero_grad(bool set_to_none)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (TorchParameter parameter in _parameters)
            parameter.ZeroesGradient = !set_to_none;
        using (_parameters[0].Place.OnTorchsStream())
            Core.ZeroGrad();
    }

    /// <summary>The parameters.</summary>
    public override IEnumerable<Parameter> parameters() => _parameters.Select(parameter => parameter.Tensor);

    /// <summary>Groups cannot be added: a step's table is made once.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override void add_param_group(ParamGroup param_group) =>
        throw new NotSupportedException(
            "A fused optimizer takes all its groups in its constructor. Give it parameters that train later from the "
                + "start: without a gradient they are left out of a step."
        );

    /// <summary>The state, as new tensors on the CPU that the caller owns.</summary>
    /// <remarks>
    /// For the parameter "0.weight" of Adam it has "0.weight.step", "0.weight.exp_avg" and "0.weight.exp_avg_sq", and
    /// for one in half precision "0.weight.master", its float32 values. "applied_steps" counts the optimizer's steps.
    /// "param_groups.0.lr" and "param_groups.0.initial_lr" are the first group's learning rates; other hyperparameters
    /// are the constructor's.
    /// </remarks>
    public Dictionary<string, torch.Tensor> state_dict()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return OptimizerStateDict.Of(Core, _groups, _parameters);
    }

    /// <summary>Sets the state, learning rates included. The tensors still belong to the caller.</summary>
    /// <exception cref="ArgumentException">A key is missing or unknown, or a tensor does not fit; nothing was
    /// changed.</exception>
    public void load_state_dict(IReadOnlyDictionary<string, torch.Tensor> state_dict)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(state_dict);
        OptimizerStateDict.Load(state_dict, Core, _groups, _parameters);
    }

    /// <summary>Takes a step, through a scaler if there is one.</summary>
    internal StepResult TakeStep(NativeAmp.GradScaler? scaler)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (TorchParameter parameter in _parameters)
            parameter.FollowOthers();
        using (_parameters[0].Place.OnTorchsStream())
            LastStep = scaler is null ? Core.Step() : scaler.Step(Core);
        foreach (TorchParameter parameter in _parameters)
            parameter.MarkStepped();
        return LastStep;
    }

    /// <summary>Gives the state back. Parameters are not touched.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            Core.Dispose();
            DisposeParameters();
        }
        base.Dispose(disposing);
    }

    private void DisposeParameters()
    {
        foreach (TorchParameter parameter in _parameters)
            parameter.Dispose();
    }
}
