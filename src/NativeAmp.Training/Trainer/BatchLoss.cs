namespace NativeAmp.Training;

/// <summary>Computes the loss of a batch: the mean over its samples, as a scalar.</summary>
/// <param name="model">The model; call it with <see cref="Module.Call(Tensor)"/>, or what a model of several inputs
/// offers.</param>
/// <param name="fields">The batch's fields, [batch, ...] each, in the order of
/// <see cref="Data.IDataset.Fields"/>.</param>
public delegate Tensor BatchLoss(Module model, IReadOnlyList<Tensor> fields);
