namespace NativeAmp.Planning;

/// <summary>Plans the memory, compute, time and energy of a training.</summary>
public static class Planner
{
    /// <summary>Plans a training.</summary>
    /// <param name="request">The model, the GPUs and the settings.</param>
    /// <returns>The plan; <see cref="TrainingPlan.Fits"/> says whether it fits in memory.</returns>
    /// <exception cref="PlanException">The request's numbers do not fit together.</exception>
    public static TrainingPlan Plan(PlanRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        PlanRequest full = request with { Model = request.Model.Checked() };
        full.Check();
        return new TrainingPlan(full, MemoryModel.Of(full), FlopPlan.Of(full), TimeModel.Of(full));
    }
}
