namespace NativeAmp.Planning;

/// <summary>One figure of a plan, with its formula and source.</summary>
/// <param name="Key">Its name in JSON.</param>
/// <param name="Name">Its name in words.</param>
/// <param name="Value">Its value.</param>
/// <param name="Unit">bytes, FLOP, s, …</param>
/// <param name="Formula">How it is computed, in the symbols of the source.</param>
/// <param name="Source">Paper and section, or another basis.</param>
public sealed record PlanFigure(string Key, string Name, double Value, string Unit, string Formula, string Source);
