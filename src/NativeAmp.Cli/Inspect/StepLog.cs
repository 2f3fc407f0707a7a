using System.Globalization;
using System.Text.Json;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Inspect;

/// <summary>Reads the file of --inspect-out.</summary>
internal static class StepLog
{
    /// <summary>Finds the record of a step, or the last one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="step">The step; null for the last that did not fail, or the last of all.</param>
    /// <exception cref="DataFormatException">It holds something else, or no such step.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static StepRecord Read(string path, long? step)
    {
        using var lines = new StreamReader(InputFile.Open(path));
        StepRecord? found = null;
        for (long number = 1; lines.ReadLine() is { } line; number++)
        {
            StepRecord record = Parse(path, number, line, lines.EndOfStream && found is not null) ?? found!;
            if (step is null ? !record.Failed || found is not { Failed: false } : record.Inspect == step)
                found = record;
        }

        return found
            ?? throw new DataFormatException(
                path,
                0,
                step is null ? "no step" : string.Create(CultureInfo.InvariantCulture, $"no step {step}"),
                "a step that --inspect wrote"
            );
    }

    // A run that was killed may leave half a line at the end.
    private static StepRecord? Parse(string path, long number, string line, bool mayBeHalf)
    {
        try
        {
            if (
                JsonSerializer.Deserialize(line, StepJson.Default.StepRecord)
                    is { Tensors: not null, Totals: not null, Compute: not null } record
                && record.Totals.All(IsWhole)
                && record.Tensors.All(IsWhole)
            )
                return record;
        }
        catch (JsonException) when (mayBeHalf)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new DataFormatException(
                path,
                0,
                $"something else in line {number}",
                "a step that --inspect wrote",
                e
            );
        }

        throw new DataFormatException(path, 0, $"something else in line {number}", "a step that --inspect wrote");
    }

    private static bool IsWhole(TensorReport? tensor) =>
        tensor
            is {
                Name: not null,
                Kind.Length: > 0,
                DType: not null,
                Shape: not null,
                Exponents: not null,
                Formats: not null
            }
        && tensor.FirstExponent is > -2000 and < 2000
        && tensor.Exponents.Count < 4000
        && TensorReport.Compared.All(format => tensor.Formats.Any(report => report?.Format == format.Name));
}
