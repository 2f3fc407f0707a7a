namespace NativeAmp.Training.Data;

/// <summary>
/// The position of a run in its data. With the seed it is enough to continue at exactly the next sample.
/// </summary>
/// <param name="Epoch">Completed passes, from 0.</param>
/// <param name="Sample">Samples used in this pass.</param>
public readonly record struct DataPosition(long Epoch, long Sample);
