using System.Text.Json;
using NativeAmp.Training.Data;

namespace NativeAmp.Cli.Train;

/// <summary>Cuts a metrics file back to the step from which its run resumes.</summary>
internal static class MetricsCut
{
    private const int LongestLine = 1 << 20;

    /// <summary>
    /// Keeps the records up to a step, and removes the rest: steps that will be repeated, a summary of the earlier
    /// part, half a line from a crash. One system call cuts the file, so that a crash leaves it either uncut or cut.
    /// </summary>
    /// <param name="path">The file's name in messages.</param>
    /// <param name="file">The file. Its position is at the end afterwards.</param>
    /// <param name="step">The last step to keep.</param>
    /// <exception cref="DataFormatException">It holds something other than metrics. Nothing was changed.</exception>
    public static void After(string path, Stream file, long step)
    {
        file.Position = 0;
        var lines = new LineReader(file);
        long keep = 0;
        long last = 0;
        bool cut = false;
        while (lines.Read(LongestLine) is { } line)
        {
            MetricsLine kind = Recognise(line, out long number);
            // Do not cut foreign content.
            if (kind == MetricsLine.Foreign && !(lines.IsUnfinished && IsBrokenOff(line)))
                throw new DataFormatException(
                    path,
                    lines.Begin,
                    "something else than a record of metrics",
                    "a file that --metrics wrote: take another one"
                );
            cut |= kind != MetricsLine.Step || number <= last || number > step || lines.IsUnfinished;
            if (cut)
                continue;
            (keep, last) = (lines.End, number);
        }

        file.SetLength(keep);
        file.Position = keep;
    }

    private static MetricsLine Recognise(ReadOnlySpan<byte> line, out long step)
    {
        step = 0;
        try
        {
            var json = new Utf8JsonReader(line);
            if (
                !json.Read()
                || json.TokenType != JsonTokenType.StartObject
                || !json.Read()
                || json.TokenType != JsonTokenType.PropertyName
            )
                return MetricsLine.Foreign;
            bool isStep = json.ValueTextEquals("step"u8);
            bool isSummary = json.ValueTextEquals("summary"u8);
            bool known =
                json.Read()
                && (isStep ? json.TokenType == JsonTokenType.Number && json.TryGetInt64(out step) : isSummary);
            while (json.Read())
            {
                // Up to its end: half a record does not count.
            }

            return !known ? MetricsLine.Foreign
                : isStep ? MetricsLine.Step
                : MetricsLine.Summary;
        }
        catch (JsonException)
        {
            return MetricsLine.Foreign;
        }
    }

    /// <summary>
    /// Whether a line is the rest of a record after a crash: its beginning, or space that was never filled.
    /// </summary>
    private static bool IsBrokenOff(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> written = line.TrimEnd((byte)0);
        return Begins(written, "{\"step\":"u8) || Begins(written, "{\"summary\":"u8);

        static bool Begins(ReadOnlySpan<byte> line, ReadOnlySpan<byte> record)
        {
            int both = Math.Min(line.Length, record.Length);
            return line[..both].SequenceEqual(record[..both]);
        }
    }

    private enum MetricsLine
    {
        Step,
        Summary,
        Foreign,
    }
}
