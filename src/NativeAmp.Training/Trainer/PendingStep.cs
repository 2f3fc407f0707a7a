using System.Diagnostics;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>A step whose work was submitted: the facts known so far, and the places of the others.</summary>
internal sealed class PendingStep(long number, Batch batch, long start)
{
    /// <summary>The step, from 1.</summary>
    public long Number { get; } = number;

    /// <summary>The position of the run after the step.</summary>
    public DataPosition Next { get; } = batch.Next;

    /// <summary>Number of samples in its batch.</summary>
    public int Samples { get; } = batch.Count;

    /// <summary>The optimizer's result; null if the batch was skipped.</summary>
    public StepResult? Result { get; init; }

    /// <summary>The loss, if it is known already.</summary>
    public float? Loss { get; init; }

    /// <summary>For a skipped batch: the loss scale and learning rate that its step would have had.</summary>
    public (float Scale, double LearningRate) PassedOver { get; init; }

    /// <summary>The host's time for it so far, in milliseconds.</summary>
    public double Milliseconds { get; private set; } = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

    /// <summary>Adds the time since a moment, spent waiting for the device.</summary>
    public void AddTimeSince(long moment) => Milliseconds += Stopwatch.GetElapsedTime(moment).TotalMilliseconds;
}
