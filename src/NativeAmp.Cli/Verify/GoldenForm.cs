using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Verify;

/// <summary>
/// Checks that the values of a golden file fit together before computing with them: a few bytes of JSON can state a
/// shape of [1000000000].
/// </summary>
internal sealed class GoldenForm(string path)
{
    // Far above any golden file's, and still harmless.
    private const int MostSteps = 1_000_000;

    public T[] Required<T>(T[]? values, string what) =>
        values is { Length: > 0 } ? values : throw Bad($"no {what}", "at least one");

    /// <summary>An array of objects without null: JSON may hold null in spite of the type.</summary>
    public T[] Objects<T>(T[]? values, string what)
        where T : class
    {
        Required(values, what);
        for (int i = 0; i < values!.Length; i++)
            Require(values[i] is not null, $"null for number {i} of {what}", "an object");
        return values;
    }

    public T Required<T>(T? value, string what)
        where T : class => value ?? throw Bad($"no {what}", "one");

    /// <summary>A tensor whose shape fits its data.</summary>
    public GoldenTensor Tensor(GoldenTensor? tensor, string what)
    {
        if (tensor?.Data is null || tensor.Shape is null)
            throw Bad($"no tensor {what}", "shape and data");
        UInt128 count = 1;
        foreach (long size in tensor.Shape)
        {
            count *= size is >= 0 and <= int.MaxValue
                ? (UInt128)size
                : throw Bad($"size {size} in {what}", "0 or more");
            if (count > int.MaxValue)
                break;
        }

        return count == (UInt128)tensor.Data.Length
            ? tensor
            : throw Bad(
                $"{tensor.Data.Length} values of {what}",
                $"as many as its shape [{string.Join(", ", tensor.Shape)}] says"
            );
    }

    /// <summary>A tensor of a given shape.</summary>
    public GoldenTensor Tensor(GoldenTensor? tensor, string what, params long[] shape)
    {
        Tensor(tensor, what);
        return tensor!.Shape.AsSpan().SequenceEqual(shape)
            ? tensor
            : throw Bad($"shape [{string.Join(", ", tensor.Shape)}] of {what}", $"[{string.Join(", ", shape)}]");
    }

    public void SameLength(string what, int expected, params Array?[] arrays)
    {
        foreach (Array? array in arrays)
        {
            if (array?.Length != expected)
                throw Bad($"{array?.Length ?? 0} {what}", $"{expected}");
        }
    }

    public void Steps(int steps) => Require(steps is > 0 and <= MostSteps, $"{steps} steps", $"1 to {MostSteps}");

    public void Require(bool holds, string found, string expected)
    {
        if (!holds)
            throw Bad(found, expected);
    }

    public DataFormatException Bad(string found, string expected) => new(path, 0, found, expected);
}
