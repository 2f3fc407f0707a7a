using System.Diagnostics;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

// One step: its work is submitted here, and reported here when its outcome is known.
public sealed partial class Trainer
{
    /// <summary>Submits a step's work.</summary>
    private void Step(BatchLoader loader)
    {
        long start = Stopwatch.GetTimestamp();
        Batch batch = loader.Next();
        _tensors.Write(batch);
        Tensor loss;
        using IDisposable? observed = _probe?.Begin(batch, _checkpoint.Progress);
        // Tensors of the model that Backward does not go over are released with the step.
        using TensorScope scope = TensorScope.Enter();
        using (Autocast.Enter(_options.Precision))
        {
            loss = Forward();
            if (_losses.PassesOver(loss))
            {
                PassOver(loss.Item(), batch, start);
                return;
            }
            _scaler.Scale(loss).Backward();
        }

        // Before the step: a loss may be infinite and its gradients finite. Inspecting again does not change the
        // gradients.
        bool failed = _probe is not null && !float.IsFinite(loss.Item());
        _probe?.GradientsReady();
        if (failed)
            _probe!.Failed(loss.Item(), Forward);
        if (_options.ClipNorm > 0)
            _optimizer.ClipGradNorm(_options.ClipNorm);
        StepResult result = _scaler.Step(_optimizer);
        _scaler.Update();
        _optimizer.ZeroGrad();
        if (_probe is not null && !failed && result.Read().Skipped)
        {
            _probe.Failed(loss.Item(), Forward);
            _optimizer.ZeroGrad();
        }

        long number = Advance(batch);
        KeepLoss(number, loss);
        _pending.Enqueue(new PendingStep(number, batch, start) { Result = result });
    }

    private Tensor Forward()
    {
        Tensor loss = _loss(_model, _tensors.Fields);
        return loss is { DType: DType.Float32, Count: 1 }
            ? loss
            : throw new InvalidOperationException(
                $"The loss of a batch is one float32; it is {loss.DType.Name()} {loss.Shape}. Take the mean over its "
                    + "elements."
            );
    }

    private static Tensor ClassLoss(Module model, IReadOnlyList<Tensor> fields) =>
        Loss.CrossEntropy(model.Call(fields[0]), fields[1]);

    /// <summary>
    /// Skips a batch whose loss is not finite. The memory of its forward pass is released with the step, and no state
    /// changes.
    /// </summary>
    private void PassOver(float loss, Batch batch, long start)
    {
        if (_probe is not null)
        {
            _probe.Failed(loss, Forward);
            _optimizer.ZeroGrad();
        }

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
            Epoch = step.Next.Epoch + (double)step.Next.Sample / _data.Count,
            Loss = loss,
            Scale = outcome?.Scale ?? step.PassedOver.Scale,
            FoundInf = foundInf,
            Skipped = skipped,
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
