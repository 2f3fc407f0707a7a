namespace NativeAmp.Training.Checkpoints;

/// <summary>The names that a file and a model did not share when the one was loaded into the other.</summary>
/// <param name="Missing">Parameters and buffers of the model that the file does not have. They kept their
/// values.</param>
/// <param name="Unexpected">Tensors of the file, by its own names, that the model does not have. They were not
/// read.</param>
public sealed record ModuleLoadResult(IReadOnlyList<string> Missing, IReadOnlyList<string> Unexpected);
