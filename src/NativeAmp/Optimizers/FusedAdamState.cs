namespace NativeAmp;

/// <summary>Everything that a <see cref="FusedAdam"/> remembers from step to step, for checkpoints.</summary>
/// <param name="Step">Steps applied by the optimizer, whichever parameters had a gradient.</param>
/// <param name="Moments">The moments of every parameter.</param>
public sealed record FusedAdamState(long Step, IReadOnlyList<AdamMoments> Moments);

/// <summary>The moments of one parameter.</summary>
/// <param name="Name">The parameter's name.</param>
/// <param name="Step">How often the parameter was updated: steps without its gradient do not count.</param>
/// <param name="First">First moment.</param>
/// <param name="Second">Second moment.</param>
/// <param name="LargestSecond">Largest second moment so far; null without AMSGrad.</param>
public sealed record AdamMoments(string Name, long Step, float[] First, float[] Second, float[]? LargestSecond);
