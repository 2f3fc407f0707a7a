namespace NativeAmp.Planning;

/// <summary>Plans trainings.</summary>
public static class Planner
{
    /// <summary>Memory, compute, time and energy of a training.</summary>
    /// <param name="request">What is to be trained, on what, how.</param>
    /// <returns>The plan; <see cref="TrainingPlan.Fits"/> says whether it can be.</returns>
    /// <exception cref="PlanException">The request's numbers do not go together.</exception>
    public static TrainingPlan Plan(PlanRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        PlanRequest full = request with { Model = request.Model.Checked() };
        full.Check();
        return new TrainingPlan(full, MemoryModel.Of(full), FlopPlan.Of(full), TimeModel.Of(full));
    }
}
