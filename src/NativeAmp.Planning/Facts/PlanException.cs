namespace NativeAmp.Planning;

/// <summary>
/// What was asked cannot be planned: a name that is not known, a file that is not right, numbers that do not go
/// together.
/// </summary>
/// <param name="message">One sentence: what was wrong, with which value, and what to do.</param>
public sealed class PlanException(string message) : Exception(message);
