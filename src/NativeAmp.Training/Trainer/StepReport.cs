namespace NativeAmp.Training;

/// <summary>What one training step came to.</summary>
/// <param name="Step">Steps so far, this one included: the first is 1.</param>
/// <param name="Epoch">Passes over the data that are complete, as a fraction.</param>
/// <param name="Loss">Mean loss of the batch, not scaled.</param>
/// <param name="Scale">Loss scale that the step was done with.</param>
/// <param name="FoundInf">Whether a gradient was not finite.</param>
/// <param name="Skipped">Whether the parameters were left as they were.</param>
/// <param name="SkippedSoFar">Skipped steps so far, this one included.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
/// <param name="GradientNorm">Global L2 norm of the unscaled gradients before clipping; not finite on overflow.</param>
/// <param name="Milliseconds">Time that the step took, without checkpoint and events.</param>
/// <param name="Samples">Samples of the batch.</param>
/// <param name="TotalSteps">Steps that the run will have in all.</param>
public readonly record struct StepReport(
    long Step,
    double Epoch,
    float Loss,
    float Scale,
    bool FoundInf,
    bool Skipped,
    long SkippedSoFar,
    double LearningRate,
    float GradientNorm,
    double Milliseconds,
    int Samples,
    long TotalSteps);
