namespace NativeAmp.Training;

/// <summary>
/// Measures a model on a batch of the test set, for <see cref="TrainerOptions.Metrics"/>. It is called in evaluation
/// mode and under <see cref="NoGrad"/>.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="fields">The batch's fields, [batch, ...] each, in the order of
/// <see cref="Data.IDataset.Fields"/>.</param>
/// <returns>The mean over the batch's samples.</returns>
public delegate double BatchMetric(Module model, IReadOnlyList<Tensor> fields);
