using System.Globalization;

namespace NativeAmp.Training;

/// <summary>
/// A chain of modules, named "0", "1", … A linear or convolution layer and a following activation are computed in one
/// pass. A tensor between two modules is released as soon as nothing needs it.
/// </summary>
public sealed class Sequential : Module
{
    private readonly Module[] _modules;

    /// <summary>Chains these modules.</summary>
    public Sequential(params Module[] modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        _modules = [.. modules];
        for (int i = 0; i < _modules.Length; i++)
            Register(i.ToString(CultureInfo.InvariantCulture), _modules[i]);
    }

    /// <summary>Number of modules.</summary>
    public int Count => _modules.Length;

    /// <summary>A module by its place.</summary>
    public Module this[int index] => _modules[index];

    /// <inheritdoc/>
    public override Tensor Forward(Tensor input)
    {
        Tensor current = input;
        for (int i = 0; i < _modules.Length; i++)
        {
            Tensor next;
            using ObserverFrame.ModuleScope scope = ObserverFrame.Enter(_modules[i]);
            int follower = i + 1;
            while (follower < _modules.Length && _modules[follower] is BatchNorm2d { IsFolded: true })
                follower++;
            if (
                follower < _modules.Length
                && _modules[follower] is IActivation { Activation: var activation }
                && _modules[i] is IFusesActivation fusing
                && fusing.Fuses(activation)
            )
            {
                next = fusing.Forward(current, activation);
                i = follower;
            }
            else
            {
                next = _modules[i].Forward(current);
            }

            if (current != input && current != next)
                current.ReleaseUnlessCallers("it lay between two modules of a Sequential");
            current = next;
        }

        return current;
    }
}
