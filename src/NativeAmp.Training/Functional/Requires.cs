using System.Runtime.CompilerServices;

namespace NativeAmp.Training;

/// <summary>What operators check about their inputs before anything is computed.</summary>
internal static class Requires
{
    /// <summary>Both on one device.</summary>
    public static void SameDevice(Tensor a, Tensor? b, [CallerMemberName] string operation = "")
    {
        if (b is not null && a.Device != b.Device)
        {
            throw new ArgumentException(
                $"{operation} computes on one device, but its {a.Describe()} is on {Where(a)} and its {b.Describe()} "
                    + $"on {Where(b)}: create both on the same Device object."
            );
        }
    }

    /// <summary>A shape that fits, else an error with both shapes and what was expected.</summary>
    public static void That(
        bool fits,
        Tensor a,
        Tensor? b,
        string expectation,
        [CallerMemberName] string operation = ""
    )
    {
        if (fits)
            return;
        string inputs = b is null ? a.Describe() : $"{a.Describe()} and {b.Describe()}";
        throw new ArgumentException($"{operation} cannot take {inputs}: {expectation}.");
    }

    /// <summary>A floating-point tensor.</summary>
    public static void FloatingPoint(Tensor tensor, [CallerMemberName] string operation = "")
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!tensor.DType.IsComputeType())
            throw new ArgumentException(
                $"{operation} computes with floating-point numbers, not with a {tensor.Describe()}."
            );
    }

    /// <summary>A tensor of int32 indices or labels.</summary>
    public static void Int32(Tensor tensor, [CallerMemberName] string operation = "")
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.DType != DType.Int32)
            throw new ArgumentException($"{operation} takes int32 indices, not a {tensor.Describe()}.");
    }

    private static string Where(Tensor tensor) => $"{tensor.Device.Kind} {tensor.Device.Ordinal}";
}
