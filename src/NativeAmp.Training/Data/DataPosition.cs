namespace NativeAmp.Training.Data;

/// <summary>
/// Where a run stands in its data: all that is needed, with the seed, to go on with exactly the next sample.
/// </summary>
/// <param name="Epoch">Passes that are over, from 0.</param>
/// <param name="Sample">Samples of this pass that are used up.</param>
public readonly record struct DataPosition(long Epoch, long Sample);
