namespace NativeAmp;

/// <summary>How many devices of a kind this machine has.</summary>
/// <param name="Kind">The kind of device.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Reason">Why there are none; empty if there are some.</param>
public sealed record DeviceAvailability(DeviceKind Kind, int Count, string Reason);
