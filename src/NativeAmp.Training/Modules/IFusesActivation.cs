namespace NativeAmp.Training;

/// <summary>A module that computes an activation in its own pass, where one follows it.</summary>
internal interface IFusesActivation
{
    /// <summary>Whether this activation can be part of the pass.</summary>
    bool Fuses(Activation activation);

    Tensor Forward(Tensor input, Activation activation);
}

/// <summary>A module that is an activation and nothing else.</summary>
internal interface IActivation
{
    Activation Activation { get; }
}
