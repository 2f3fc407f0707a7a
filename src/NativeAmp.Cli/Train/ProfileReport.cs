using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Serialization;
using NativeAmp.Cli.Output;
using NativeAmp.Training;

namespace NativeAmp.Cli.Train;

/// <summary>One function's part of the steps that were profiled.</summary>
internal sealed record ProfileRow(
    [property: JsonPropertyName("function")] string Function,
    [property: JsonPropertyName("calls_per_step")] double CallsPerStep,
    [property: JsonPropertyName("ms_per_step")] double MillisecondsPerStep,
    [property: JsonPropertyName("share")] double Share);

/// <summary>
/// Measures where a run's time goes (--profile), from the end of its second step on: the first two compile code, build primitives and fill caches.
/// </summary>
internal sealed class ProfileReport
{
    private const long Warmup = 2;

    private long _start;
    private long _end;
    private long _steps = -Warmup;

    /// <summary>Takes notice of a finished step.</summary>
    public void Step(in StepReport step)
    {
        if (++_steps == 0)
        {
            NativeProfile.Start();
            _start = Stopwatch.GetTimestamp();
        }

        _end = Stopwatch.GetTimestamp();
        // What follows the last step is a test, which is no step's time.
        if (step.Step == step.TotalSteps)
            NativeProfile.Stop();
    }

    /// <summary>
    /// Ends the measurement. The last row is the time outside native functions: managed code, and waiting for data. Empty if no step was measured.
    /// </summary>
    public IReadOnlyList<ProfileRow> Finish()
    {
        if (_steps <= 0)
            return [];
        NativeProfile.Stop();
        TimeSpan total = Stopwatch.GetElapsedTime(_start, _end);
        IReadOnlyList<ProfileEntry> entries = NativeProfile.Read();
        TimeSpan native = entries.Aggregate(TimeSpan.Zero, (sum, entry) => sum + entry.Time);
        return
        [
            .. entries.Select(entry => Row(entry.Function, entry.Calls, entry.Time, total)),
            Row("outside the native library", 0, total - native, total),
        ];
    }

    /// <summary>Writes the rows that take at least a thousandth of the time.</summary>
    public static void Write(IReadOnlyList<ProfileRow> rows, Terminal terminal) => terminal.WriteTable(
        ["function", "calls a step", "ms a step", "share"],
        [
            .. rows.Where(row => row.Share >= 0.001).Select(row => (IReadOnlyList<string>)
            [
                row.Function,
                row.CallsPerStep.ToString("0.#", CultureInfo.InvariantCulture),
                row.MillisecondsPerStep.ToString("0.00", CultureInfo.InvariantCulture),
                (row.Share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %",
            ]),
        ]);

    private ProfileRow Row(string function, long calls, TimeSpan time, TimeSpan total) =>
        new(function, (double)calls / _steps, time.TotalMilliseconds / _steps, time / total);
}
