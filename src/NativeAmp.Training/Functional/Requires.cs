using System.Runtime.CompilerServices;

namespace NativeAmp.Training;

/// <summary>Checks of an operator's inputs, before anything is computed.</summary>
internal static class Requires
{
    /// <summary>Checks that both tensors are on one device.</summary>
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

    /// <summary>Checks a condition on shapes. The error names both tensors and the shapes expected.</summary>
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

    /// <summary>Checks that a tensor is floating-point.</summary>
    public static void FloatingPoint(Tensor tensor, [CallerMemberName] string operation = "")
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!tensor.DType.IsComputeType())
            throw new ArgumentException(
                $"{operation} computes with floating-point numbers, not with a {tensor.Describe()}."
            );
    }

    /// <summary>
    /// Checks that tensors are floating-point and on one device. Returns whether the shape of the second is that of the
    /// first or its innermost dimensions, so that it repeats at each outer index.
    /// </summary>
    public static bool IsRepeated(Tensor a, Tensor b, [CallerMemberName] string operation = "")
    {
        FloatingPoint(a, operation);
        FloatingPoint(b, operation);
        SameDevice(a, b, operation);
        return b.Shape.IsSuffixOf(a.Shape);
    }

    /// <summary>A dimension of a tensor from 0 on; one below 0 counts from the last.</summary>
    public static int Dimension(Tensor tensor, int dimension, [CallerMemberName] string operation = "")
    {
        int rank = tensor.Shape.Rank;
        if (dimension < -rank || dimension >= rank)
            throw new ArgumentOutOfRangeException(
                nameof(dimension),
                dimension,
                $"{operation} cannot take this dimension of a {tensor.Describe()}, which has {rank}."
            );
        return dimension < 0 ? dimension + rank : dimension;
    }

    /// <summary>Checks that a tensor holds int32 indices or labels.</summary>
    public static void Int32(Tensor tensor, [CallerMemberName] string operation = "")
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.DType != DType.Int32)
            throw new ArgumentException($"{operation} takes int32 indices, not a {tensor.Describe()}.");
    }

    private static string Where(Tensor tensor) => $"{tensor.Device.Kind} {tensor.Device.Ordinal}";
}
