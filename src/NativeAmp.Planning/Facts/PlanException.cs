namespace NativeAmp.Planning;

/// <summary>
/// The request cannot be planned: a name is unknown, a file is not valid, or numbers do not fit together.
/// </summary>
/// <param name="message">One sentence: what was wrong, with which value, and what to do.</param>
public sealed class PlanException(string message) : Exception(message);
