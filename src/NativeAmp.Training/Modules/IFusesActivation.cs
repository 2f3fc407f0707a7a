namespace NativeAmp.Training;

/// <summary>A module that can compute a following activation in its own pass.</summary>
internal interface IFusesActivation
{
    /// <summary>Whether the pass can compute this activation.</summary>
    bool Fuses(Activation activation);

    Tensor Forward(Tensor input, Activation activation);
}

/// <summary>A module that is just an activation.</summary>
internal interface IActivation
{
    Activation Activation { get; }
}
