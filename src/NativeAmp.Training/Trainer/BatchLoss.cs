namespace NativeAmp.Training;

/// <summary>Computes the loss of a batch: the mean over its samples, as a scalar.</summary>
/// <param name="model">The model. Call it with <see cref="Module.Call(Tensor)"/>, or with its own method if it has
/// several inputs.</param>
/// <param name="fields">The batch's fields, [batch, ...] each, in the order of
/// <see cref="Data.IDataset.Fields"/>.</param>
public delegate Tensor BatchLoss(Module model, IReadOnlyList<Tensor> fields);
