using System.Diagnostics;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

// One step: its work is submitted here, and reported here when its outcome is known.
public sealed partial class Trainer
{
    /// <summary>Submits a step's work.</summary>
    /// <returns>Whether there was a batch; not if the run was cancelled before, or the stream has ended.</returns>
    private bool Step(IBatchSource source, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        if (Take(source, cancellation) is not { } batch)
            return false;
        Tensor loss;
        using IDisposable? observed = _probe?.Begin(batch, _checkpoint.Progress);
        // Tensors of the model that Backward does not go over are released with the step.
        using TensorScope scope = TensorScope.Enter();
        if (StepCaptured(batch) is { } ofLaunch)
        {
            Submitted(batch, start, ofLaunch, _optimizer.LastStep);
            return true;
        }

        using (Autocast.Enter(_options.Precision))
        {
            loss = GoOver(batch, _scaler, _losses.PassesOver, out bool passedOver);
            if (passedOver)
            {
                PassOver(loss.Item(), batch, start);
                return true;
            }
        }

        // Before the step: a loss may be infinite and its gradients finite. Inspecting again does not change the
        // gradients.
        bool failed = _probe is not null && !float.IsFinite(loss.Item());
        _probe?.GradientsReady();
        if (failed)
            _probe!.Failed(loss.Item(), scaler => GoOver(batch, scaler));
        StepResult result = StepOptimizer();
        if (_probe is not null && !failed && result.Read().Skipped)
        {
            _probe.Failed(loss.Item(), scaler => GoOver(batch, scaler));
            _optimizer.ZeroGrad();
        }

        Submitted(batch, start, loss, result);
        return true;
    }

    private StepResult StepOptimizer()
    {
        if (_options.ClipNorm > 0)
            _optimizer.ClipGradNorm(_options.ClipNorm);
        StepResult result = _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
        return result;
    }

    private void Submitted(Batch batch, long start, Tensor loss, StepResult result)
    {
        long number = Advance(batch);
        KeepLoss(number, loss);
        _pending.Enqueue(new PendingStep(number, batch, start) { Result = result });
    }

    private Batch? Take(IBatchSource source, CancellationToken cancellation)
    {
        try
        {
            Batch? batch = source.Next(cancellation);
            if (batch is null)
                Stop("The stream of samples has ended.");
            return batch;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private void GoOver(Batch batch, GradScaler scaler) => GoOver(batch, scaler, _ => false, out _);

    /// <summary>
    /// Forward and backward passes over the samples of a step, <see cref="TrainerOptions.Batch"/> at a time. Gradients
    /// add up to those of the mean loss.
    /// </summary>
    /// <param name="batch">The samples.</param>
    /// <param name="scaler">Scales the losses.</param>
    /// <param name="isBad">Whether to end before the backward pass of a loss.</param>
    /// <param name="ended">Whether it has ended.</param>
    /// <returns>The mean loss, or the bad one.</returns>
    private Tensor GoOver(Batch batch, GradScaler scaler, Func<Tensor, bool> isBad, out bool ended)
    {
        ended = false;
        Tensor? sum = null;
        for (int first = 0; first < batch.Count; first += _options.Batch)
        {
            int count = Math.Min(_options.Batch, batch.Count - first);
            Tensor loss = Forward(batch, first, count);
            if (isBad(loss))
            {
                ended = true;
                return loss;
            }

            if (count == batch.Count)
            {
                scaler.Scale(loss).Backward();
                return loss;
            }

            loss = Ops.Multiply(loss, (float)count / batch.Count);
            scaler.Scale(loss).Backward();
            sum = sum is null ? loss.Detach() : Ops.Add(sum, loss.Detach());
        }

        return sum!;
    }

    private Tensor Forward(Batch batch, int first, int count)
    {
        // The other size is that of the last batch, which a data set has but one of.
        BatchTensors tensors =
            count == _options.Batch ? _tensors
            : count == _lastTensors?.Count ? _lastTensors
            : _lastTensors = NewLastTensors(count);
        tensors.Write(batch, first);
        return LossOf(tensors);
    }

    private Tensor LossOf(BatchTensors tensors)
    {
        Tensor loss = _loss(_model, tensors.Fields);
        return loss is { DType: DType.Float32, Count: 1 }
            ? loss
            : throw new InvalidOperationException(
                $"The loss of a batch is one float32; it is {loss.DType.Name()} {loss.Shape}. Take the mean over its "
                    + "elements."
            );
    }

    private BatchTensors NewLastTensors(int count)
    {
        _lastTensors?.Dispose();
        return new BatchTensors(_device, _source.Fields, count);
    }

    private static Tensor ClassLoss(Module model, IReadOnlyList<Tensor> fields) =>
        model.ClassLoss(fields[0], fields[1]);

    /// <summary>
    /// Skips a batch whose loss is not finite. The memory of its forward pass is released with the step, and no state
    /// changes.
    /// </summary>
    private void PassOver(float loss, Batch batch, long start)
    {
        _probe?.Failed(loss, scaler => GoOver(batch, scaler));
        _optimizer.ZeroGrad(); // of the passes before the bad one

        _pending.Enqueue(
            new PendingStep(Advance(batch), batch, start)
            {
                Loss = loss,
                PassedOver = (_scaler.GetScale(), _optimizer.NextLearningRate()),
            }
        );
    }

    private long Advance(Batch batch)
    {
        _checkpoint.Progress = _checkpoint.Progress with
        {
            Step = _checkpoint.Progress.Step + 1,
            Position = batch.Next,
        };
        return _checkpoint.Progress.Step;
    }

    private unsafe void KeepLoss(long step, Tensor loss)
    {
        int record = (int)(step % MostPending);
        _lossValues.Copy(record, 0, (nint)loss.Pointer, sizeof(float));
        _lossValues.Post(record);
    }

    /// <summary>The outcome of a step. Waits until the step is done.</summary>
    private StepReport Report(PendingStep step)
    {
        long start = Stopwatch.GetTimestamp();
        float loss = step.Loss ?? _lossValues.Read<float>((int)(step.Number % MostPending));
        StepOutcome? outcome = step.Result?.Read();
        bool foundInf = outcome?.Skipped ?? false;
        bool skipped = foundInf || outcome is null;
        if (skipped)
            _skipped++;
        _checkpoint.Progress = _checkpoint.Progress with { Skipped = _skipped };
        var report = new StepReport
        {
            Step = step.Number,
            Epoch = step.Next.Epoch + (double)step.Next.Sample / _source.Samples,
            Loss = loss,
            Scale = outcome?.Scale ?? step.PassedOver.Scale,
            FoundInf = foundInf,
            Skipped = skipped,
            Reason = outcome is null ? "The loss is not finite, and the batch was passed over." : outcome?.Reason,
            SkippedSoFar = _skipped,
            LearningRate = outcome?.LearningRate ?? step.PassedOver.LearningRate,
            GradientNorm = outcome?.GradientNorm ?? float.NaN,
            Milliseconds = 0,
            Samples = step.Samples,
            TotalSteps = _totalSteps,
        };
        step.AddTimeSince(start);
        return report with { Milliseconds = step.Milliseconds };
    }
}
