using System.Diagnostics;
using NativeAmp.Training.Data;

namespace NativeAmp.Training;

/// <summary>A step whose work is on its way: what is known of it, and where the rest will be found.</summary>
internal sealed class PendingStep(long number, Batch batch, long start)
{
    /// <summary>The step, from 1.</summary>
    public long Number { get; } = number;

    /// <summary>Where the run stands after it.</summary>
    public DataPosition Next { get; } = batch.Next;

    /// <summary>Samples of its batch.</summary>
    public int Samples { get; } = batch.Count;

    /// <summary>What the optimizer did; null where the batch was passed over.</summary>
    public StepResult? Result { get; init; }

    /// <summary>The loss, where it is known already.</summary>
    public float? Loss { get; init; }

    /// <summary>
    /// For a batch that was passed over: the scale and the learning rate that it would have been done with.
    /// </summary>
    public (float Scale, double LearningRate) PassedOver { get; init; }

    /// <summary>The host's time for it so far, in milliseconds.</summary>
    public double Milliseconds { get; private set; } = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

    /// <summary>Adds the time since a moment: that of waiting for the device.</summary>
    public void AddTimeSince(long moment) => Milliseconds += Stopwatch.GetElapsedTime(moment).TotalMilliseconds;
}
